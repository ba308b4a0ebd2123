#include "cli/password.hpp"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "cli/environment.hpp"

namespace holdfast::cli {
namespace {

constexpr std::uint64_t password_bytes_max = 64 * 1024;
constexpr std::string_view credential_name = "holdfast-password";

bool is_blank(std::uint8_t byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\v' ||
         byte == '\f';
}

Secret trimmed(ByteView text) {
  if (as_text(text).starts_with("\xEF\xBB\xBF")) text = text.subspan(3);
  while (!text.empty() && is_blank(text.front())) text = text.subspan(1);
  while (!text.empty() && is_blank(text.back())) text = text.first(text.size() - 1);
  return Secret(text);
}

void wipe(Bytes& bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

Result<Secret> from_file(const std::string& path) {
  auto text = TRY(read_file(path, password_bytes_max).while_doing("reading the password file"));
  auto password = trimmed(text);
  wipe(text);
  if (password.reveal().empty())
    return fail(ErrorCode::usage, fmt::format("the password file {} is empty", path));
  return password;
}

Result<Secret> from_command(const std::string& command) {
  const auto words = TRY(split_words(command));
  auto ran =
      TRY(run_process(words, Capture::standard_output).while_doing("running the password command"));
  auto password = trimmed(ran.output);
  wipe(ran.output);
  if (ran.exit_status != 0)
    return fail(ErrorCode::usage,
                fmt::format("the password command ended with status {}", ran.exit_status));
  if (password.reveal().empty())
    return fail(ErrorCode::usage, "the password command printed nothing");
  return password;
}

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
  wipe(line);
  auto bytes = password.reveal();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  return Secret(bytes);
}

}  // namespace

Result<Secret> read_password(const PasswordSource& source) {
  if (source.file) return from_file(*source.file);
  if (source.command) return from_command(*source.command);
  if (const auto file = environment("HOLDFAST_PASSWORD_FILE")) return from_file(*file);
  if (const auto command = environment("HOLDFAST_PASSWORD_COMMAND")) return from_command(*command);
  if (const auto file = credential_file()) return from_file(*file);
  return from_terminal();
}

}  // namespace holdfast::cli
