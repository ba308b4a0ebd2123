#include "cli/password.hpp"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <filesystem>

#include "cli/environment.hpp"
#include "cli/secret_source.hpp"

namespace holdfast::cli {
namespace {

constexpr std::string_view credential_name = "holdfast-password";

std::optional<std::string> credential_file() {
  const auto directory = environment("CREDENTIALS_DIRECTORY");
  if (!directory) return std::nullopt;
  const auto path = std::filesystem::path(*directory) / credential_name;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return path.string();
}

// Echo off for one line of input.
class HiddenInput {
 public:
  HiddenInput() {
    tcgetattr(STDIN_FILENO, &before_);
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  ~HiddenInput() { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_); }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  termios before_{};
};

Result<Secret> from_terminal() {
  if (isatty(STDIN_FILENO) == 0)
    return fail(ErrorCode::usage,
                "no password: give --password-file, --password-command, HOLDFAST_PASSWORD_FILE or "
                "HOLDFAST_PASSWORD_COMMAND");
  fmt::print(stderr, "password: ");
  Bytes line(4096);
  ssize_t got = 0;
  {
    const HiddenInput hidden;
    got = ::read(STDIN_FILENO, line.data(), line.size());
  }
  fmt::print(stderr, "\n");
  auto password = Secret(ByteView(line).first(static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
  OPENSSL_cleanse(line.data(), line.size());
  auto bytes = password.reveal();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  return Secret(bytes);
}

}  // namespace

Result<Secret> read_password(const PasswordSource& source) {
  if (source.file) return secret_from_file(*source.file, "password");
  if (source.command) return secret_from_command(*source.command, "password");
  if (const auto file = environment("HOLDFAST_PASSWORD_FILE"))
    return secret_from_file(*file, "password");
  if (const auto command = environment("HOLDFAST_PASSWORD_COMMAND"))
    return secret_from_command(*command, "password");
  if (const auto file = credential_file()) return secret_from_file(*file, "password");
  return from_terminal();
}

}  // namespace holdfast::cli
