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

}  // namespace

Result<Secret> secret_from_file(const std::string& path, std::string_view what) {
  auto text =
      TRY(read_file(path, secret_bytes_max).while_doing(fmt::format("reading the {} file", what)));
  auto secret = take_secret(text);
  if (secret.reveal().empty())
    return fail(ErrorCode::usage, fmt::format("the {} file {} is empty", what, path));
  return secret;
}

Result<Secret> secret_from_command(const std::string& command, std::string_view what) {
  const auto words = TRY(split_words(command));
  auto ran = TRY(run_process(words, Capture::standard_output)
                     .while_doing(fmt::format("running the {} command", what)));
  auto secret = take_secret(ran.output);
  if (ran.exit_status != 0)
    return fail(ErrorCode::usage,
                fmt::format("the {} command ended with status {}", what, ran.exit_status));
  if (secret.reveal().empty())
    return fail(ErrorCode::usage, fmt::format("the {} command printed nothing", what));
  return secret;
}

}  // namespace holdfast::cli
