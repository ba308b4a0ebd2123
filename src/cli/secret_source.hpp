#pragma once
// Secrets by reference: from a file or from what a command prints, never from an argument's value.
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace holdfast::cli {

// White space at both ends and a byte order mark are cut, as restic does. `what` is for messages:
// "password", "connection string". Errors: usage (empty, the command failed), those of reading.
Result<Secret> secret_from_file(const std::string& path, std::string_view what);
Result<Secret> secret_from_command(const std::string& command, std::string_view what);
// The same for what is one line by its nature. Error: also usage (more lines); it names the file.
Result<Secret> line_from_file(const std::string& path, std::string_view what);
Result<Secret> line_from_command(const std::string& command, std::string_view what);

// What to do next after an error of these two, or of reading what they gave, if it was marked with
// the trail below; nothing for other errors.
std::optional<std::string> remedy_of_secret(const Error& error);
std::string taken_from_file(std::string_view what);     // a line of an error's trail
std::string taken_from_command(std::string_view what);  // likewise

}  // namespace holdfast::cli
