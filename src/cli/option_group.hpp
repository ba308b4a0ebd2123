#pragma once
// Options of verbs that serve both files and databases: each kind has its heading in the help, and
// what is for the other kind is refused: an option that would be passed over must not look as if it
// were heeded.
#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace holdfast::cli {

constexpr const char* files_group = "Files";
constexpr const char* database_group = "A database";

// Error usage, naming the first option of that group that stands on the line and is not allowed.
Result<void> refuse_options(const CLI::App& verb, std::string_view group, std::string_view why,
                            const std::vector<std::string>& allowed = {});

}  // namespace holdfast::cli
