#include "cli/environment.hpp"

#include <cstdlib>

namespace holdfast::cli {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == 0) return std::nullopt;
  return value;
}

std::optional<std::filesystem::path> default_cache_directory() {
  if (const auto cache = environment("XDG_CACHE_HOME"))
    return std::filesystem::path(*cache) / "holdfast";
  if (const auto home = environment("HOME"))
    return std::filesystem::path(*home) / ".cache" / "holdfast";
  return std::nullopt;
}

std::filesystem::path temp_directory() {
  return environment("TMPDIR").value_or("/tmp");
}

}  // namespace holdfast::cli
