#include "cli/option_group.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::cli {

Result<void> refuse_options(const CLI::App& verb, std::string_view group, std::string_view why,
                            const std::vector<std::string>& allowed) {
  const auto is_refused = [&](const CLI::Option* option) {
    const bool is_allowed =
        std::find(allowed.begin(), allowed.end(), option->get_name()) != allowed.end();
    return option->get_group() == group && option->count() > 0 && !is_allowed;
  };
  const auto options = verb.get_options(is_refused);
  if (options.empty()) return {};
  return fail(ErrorCode::usage, fmt::format("{} {}", options.front()->get_name(), why));
}

}  // namespace holdfast::cli
