#pragma once
// The only place that reads environment variables.
#include <filesystem>
#include <optional>
#include <string>

namespace holdfast::cli {

// Unset and empty are the same.
std::optional<std::string> environment(const char* name);

// $XDG_CACHE_HOME/holdfast, ~/.cache/holdfast, or nothing when neither is known.
std::optional<std::filesystem::path> default_cache_directory();

// $TMPDIR, or /tmp.
std::filesystem::path temp_directory();

}  // namespace holdfast::cli
