#include "cli/option_range.hpp"

#include <fmt/format.h>

#include "base/units.hpp"

namespace holdfast::cli {
namespace {

template <class Value>
Result<Value> within(std::string_view option, std::string_view text, TextRange range,
                     Result<Value> (*parse)(std::string_view)) {
  const auto least = TRY(parse(range.least));
  const auto most = TRY(parse(range.most));
  const auto value = TRY(parse(text).while_doing(fmt::format("reading {}", option)));
  if (value < least || most < value)
    return fail(ErrorCode::usage, fmt::format("{} {}: allowed is from {} to {}", option, text,
                                              range.least, range.most));
  return value;
}

}  // namespace

Result<std::uint64_t> size_within(std::string_view option, std::string_view text, TextRange range) {
  return within<std::uint64_t>(option, text, range, parse_size);
}

Result<Duration> span_within(std::string_view option, std::string_view text, TextRange range) {
  return within<Duration>(option, text, range, parse_span);
}

}  // namespace holdfast::cli
