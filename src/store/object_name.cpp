#include "store/object_name.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::store {
namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_component(std::string_view part) {
  if (part.empty() || part == "." || part == "..") return false;
  return std::all_of(part.begin(), part.end(), is_name_character);
}

tl::unexpected<Error> refuse(std::string_view name) {
  return fail(ErrorCode::refused,
              fmt::format("\"{}\" is not a name of an object", name.substr(0, 80)));
}

}  // namespace

Result<void> check_object_name(std::string_view name) {
  if (name.size() > object_name_bytes_max) return refuse(name);
  std::size_t depth = 0;
  for (std::string_view rest = name;;) {
    const auto slash = rest.find('/');
    if (!is_component(rest.substr(0, slash)) || ++depth > object_name_depth_max)
      return refuse(name);
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Result<void> check_prefix(std::string_view prefix) {
  if (prefix.empty()) return {};
  const bool whole = prefix.ends_with('/');
  return check_object_name(whole ? prefix.substr(0, prefix.size() - 1) : prefix);
}

bool is_temporary_name(std::string_view name) {
  const auto slash = name.rfind('/');
  const auto last = slash == std::string_view::npos ? name : name.substr(slash + 1);
  return last.find(temporary_mark) != std::string_view::npos;
}

std::string_view directory_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : name.substr(0, slash);
}

}  // namespace holdfast::store
