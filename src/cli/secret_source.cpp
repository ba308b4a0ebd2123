#include "cli/secret_source.hpp"

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/process.hpp"

namespace holdfast::cli {
namespace {

constexpr std::uint64_t secret_bytes_max = 64 * 1024;

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

Secret take_secret(Bytes& bytes) {
  auto secret = trimmed(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

constexpr std::string_view taking = "taking the ";
constexpr std::string_view from_file = " from its file";
constexpr std::string_view from_command = " from its command";

Result<Secret> read_secret(const std::string& path, std::string_view what) {
  auto text = TRY(read_file(path, secret_bytes_max));
  auto secret = take_secret(text);
  if (secret.reveal().empty())
    return fail(ErrorCode::usage, fmt::format("the {} file {} is empty", what, path));
  return secret;
}

Result<Secret> run_for_secret(const std::string& command, std::string_view what) {
  const auto words = TRY(split_words(command));
  auto ran = TRY(run_process(words, Capture::standard_output));
  auto secret = take_secret(ran.output);
  if (ran.exit_status != 0)
    return fail(ErrorCode::usage,
                fmt::format("the {} command ended with status {}", what, ran.exit_status));
  if (secret.reveal().empty())
    return fail(ErrorCode::usage, fmt::format("the {} command printed nothing", what));
  return secret;
}

bool has_lines(const Secret& trimmed) {
  return as_text(trimmed.reveal()).find_first_of("\r\n") != std::string_view::npos;
}

}  // namespace

std::string taken_from_file(std::string_view what) {
  return fmt::format("{}{}{}", taking, what, from_file);
}

std::string taken_from_command(std::string_view what) {
  return fmt::format("{}{}{}", taking, what, from_command);
}

Result<Secret> secret_from_file(const std::string& path, std::string_view what) {
  return read_secret(path, what).while_doing(taken_from_file(what));
}

Result<Secret> secret_from_command(const std::string& command, std::string_view what) {
  return run_for_secret(command, what).while_doing(taken_from_command(what));
}

std::optional<std::string> remedy_of_secret(const Error& error) {
  for (std::string_view line : error.trail) {
    if (!line.starts_with(taking)) continue;
    if (line.ends_with(from_file)) {
      const auto what = line.substr(taking.size(), line.size() - taking.size() - from_file.size());
      return fmt::format("check that the file is there, may be read, and holds the {} alone", what);
    }
    if (!line.ends_with(from_command)) continue;
    const auto what = line.substr(taking.size(), line.size() - taking.size() - from_command.size());
    return fmt::format("run the command by hand: it has to print the {} and end with status 0",
                       what);
  }
  return std::nullopt;
}

Result<Secret> line_from_file(const std::string& path, std::string_view what) {
  auto secret = TRY(secret_from_file(path, what));
  if (!has_lines(secret)) return secret;
  return fail(ErrorCode::usage, fmt::format("the {} file {} has more than one line", what, path));
}

Result<Secret> line_from_command(const std::string& command, std::string_view what) {
  auto secret = TRY(secret_from_command(command, what));
  if (!has_lines(secret)) return secret;
  return fail(ErrorCode::usage, fmt::format("the {} command printed more than one line", what));
}

}  // namespace holdfast::cli
