#pragma once
// Where a password comes from. Never from an argument and never from a variable's value: only a
// reference to it (a file, a command, a systemd credential) is named.
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace holdfast::cli {

struct PasswordSource {
  std::optional<std::string> file;     // --password-file
  std::optional<std::string> command;  // --password-command
};

// First that is given: the file, the command, HOLDFAST_PASSWORD_FILE, HOLDFAST_PASSWORD_COMMAND,
// the systemd credential "holdfast-password", a prompt on the terminal. White space at both ends
// and a byte order mark are cut, as restic does for files and commands.
Result<Secret> read_password(const PasswordSource& source);

}  // namespace holdfast::cli
