#include "recover/switch_env.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/time_text.hpp"

namespace holdfast::recover {

namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view export_word = "export";

bool is_key(std::string_view text) {
  const auto is_letter = [](char symbol) {
    return (symbol >= 'a' && symbol <= 'z') || (symbol >= 'A' && symbol <= 'Z') || symbol == '_';
  };
  const auto is_digit = [](char symbol) { return symbol >= '0' && symbol <= '9'; };
  return !text.empty() && is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [&](char symbol) { return is_letter(symbol) || is_digit(symbol); });
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(blanks, at), text.size());
}

// Where in the text one setting of the key stands. `quote` is ' or " or 0.
struct Setting {
  std::size_t value_begin = 0;  // of the raw value, quotes included
  std::size_t value_end = 0;
  char quote = 0;
};

// Offset behind "KEY =" with its blanks when the line at `at` sets the key; npos if it does not.
std::size_t value_offset(std::string_view text, std::size_t at, std::string_view key) {
  at = skip_blanks(text, at);
  const std::size_t behind_word = at + export_word.size();
  const bool has_export = text.substr(at).starts_with(export_word) && behind_word < text.size() &&
                          blanks.find(text[behind_word]) != std::string_view::npos;
  if (has_export) at = skip_blanks(text, behind_word);
  if (!text.substr(at).starts_with(key)) return std::string_view::npos;
  at = skip_blanks(text, at + key.size());
  if (at >= text.size() || text[at] != '=') return std::string_view::npos;
  return skip_blanks(text, at + 1);
}

// A quoted value may go over several lines.
Result<std::size_t> end_of_quoted(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\')
      ++at;
    else if (text[at] == quote)
      return at + 1;
  }
  return fail(
      ErrorCode::usage,
      fmt::format("a quote in line {} of the file has no end",
                  1 + std::count(text.begin(), text.begin() + static_cast<long>(begin), '\n')));
}

// Up to the line end, a comment, or trailing blanks.
std::size_t end_of_plain(std::string_view text, std::size_t begin, std::size_t line_end) {
  std::size_t end = line_end;
  for (std::size_t at = begin; at < line_end; ++at) {
    const bool is_comment =
        text[at] == '#' && at > begin && blanks.find(text[at - 1]) != std::string_view::npos;
    if (!is_comment) continue;
    end = at;
    break;
  }
  while (end > begin &&
         (blanks.find(text[end - 1]) != std::string_view::npos || text[end - 1] == '\r'))
    --end;
  return end;
}

bool is_quote(std::string_view text, std::size_t at) {
  return at < text.size() && (text[at] == '"' || text[at] == '\'');
}

// All settings of the key, in order. Lines inside a quoted value of another key are not looked at.
Result<std::vector<Setting>> find_settings(std::string_view text, std::string_view key) {
  std::vector<Setting> found;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t line_end = std::min(text.find('\n', at), text.size());
    const std::size_t first = skip_blanks(text, at);
    const std::size_t equals = text.find('=', first);
    const bool is_setting = first < line_end && text[first] != '#' && equals < line_end;
    if (is_setting) {
      const std::size_t begin = skip_blanks(text, equals + 1);
      std::size_t end = 0;
      if (is_quote(text, begin)) {
        end = TRY(end_of_quoted(text, begin));
        line_end = std::min(text.find('\n', end), text.size());
      } else {
        end = end_of_plain(text, std::min(begin, line_end), line_end);
      }
      const bool is_ours = value_offset(text, at, key) == begin;
      if (is_ours)
        found.push_back(
            {std::min(begin, line_end), end, is_quote(text, begin) ? text[begin] : '\0'});
    }
    at = line_end + 1;
  }
  return found;
}

std::string unquote(std::string_view raw, char quote) {
  if (quote == 0) return std::string(raw);
  std::string value;
  for (std::size_t at = 1; at + 1 < raw.size(); ++at) {
    const bool is_escape = quote == '"' && raw[at] == '\\' && at + 2 < raw.size();
    if (!is_escape) {
      value += raw[at];
      continue;
    }
    ++at;
    value += raw[at] == 'n' ? '\n' : raw[at];
  }
  return value;
}

// Shells and the readers of programs disagree about these in double quotes: "\\$" is "$" for bash,
// and both signs for node --env-file.
constexpr std::string_view disputed = "\"\\$`";

bool has_disputed(std::string_view text) {
  return text.find_first_of(disputed) != std::string_view::npos;
}

bool needs_quotes(std::string_view value) {
  return value.empty() ||
         value.find_first_of(" \t#'\"\\$`;&|<>()*?![]{}~") != std::string_view::npos;
}

// In the style that the line had, where all readers take that alike. A single quote can not stand
// in single quotes. REQUIRES: check() passed.
std::string in_style(std::string_view value, char style) {
  const bool has_single = value.find('\'') != std::string_view::npos;
  const bool is_double = has_single || (style == '"' && !has_disputed(value));
  if (is_double) return fmt::format("\"{}\"", value);
  if (style == 0 && !needs_quotes(value)) return std::string(value);
  return fmt::format("'{}'", value);
}

// What a line has already is only left alone when nobody reads something else there.
bool is_value(std::string_view raw, char quote, std::string_view value) {
  const bool is_disputed = quote == '"' && has_disputed(raw.substr(1, raw.size() - 2));
  return !is_disputed && unquote(raw, quote) == value;
}

Result<void> check(const EnvChange& change) {
  if (!is_key(change.key))
    return fail(ErrorCode::usage, fmt::format("'{}' is no name of a variable", change.key));
  const bool is_one_line =
      change.value.find_first_of(std::string_view("\n\r\0", 3)) == std::string::npos;
  if (!is_one_line)
    return fail(ErrorCode::usage,
                fmt::format("the value for {} has a line end or a null byte", change.key));
  const bool has_single = change.value.find('\'') != std::string::npos;
  const bool is_read_alike =
      !(has_single && has_disputed(change.value)) && !change.value.ends_with('\\');
  if (!is_read_alike)
    return fail(ErrorCode::usage,
                fmt::format("the value for {} has a single quote beside one of \" \\ $ `, or ends "
                            "in a backslash: no way to quote it is read alike everywhere; "
                            "percent-encode it (a single quote is %27)",
                            change.key));
  return {};
}

void append_line(std::string& text, const EnvChange& change) {
  const bool is_dos = text.find("\r\n") != std::string::npos;
  const std::string_view line_end = is_dos ? "\r\n" : "\n";
  if (!text.empty() && text.back() != '\n') text += line_end;
  text += fmt::format("{}={}{}", change.key, in_style(change.value, 0), line_end);
}

}  // namespace

Result<EnvEdit> set_in_env(std::string_view text, const EnvChange& change) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) {
    auto edit = TRY(set_in_env(text.substr(byte_order_mark.size()), change));
    edit.text.insert(0, byte_order_mark);
    return edit;
  }
  TRY(check(change));
  const auto settings = TRY(find_settings(text, change.key));
  EnvEdit edit;
  std::size_t copied = 0;
  for (const Setting& setting : settings) {
    const std::string_view raw =
        text.substr(setting.value_begin, setting.value_end - setting.value_begin);
    const bool is_same = is_value(raw, setting.quote, change.value);
    ++(is_same ? edit.same_count : edit.changed_count);
    if (is_same) continue;
    edit.text += text.substr(copied, setting.value_begin - copied);
    edit.text += in_style(change.value, setting.quote);
    copied = setting.value_end;
  }
  edit.text += text.substr(copied);
  if (!settings.empty()) return edit;
  if (change.if_missing == MissingKey::refuse)
    return fail(ErrorCode::not_found,
                fmt::format("no line of the file sets {}; --add appends one", change.key));
  append_line(edit.text, change);
  edit.is_appended = true;
  return edit;
}

namespace {

// "20261125T205849Z"
std::string stamp(WallTime now) {
  std::string text = format_time(std::chrono::floor<std::chrono::seconds>(now));
  std::erase_if(text, [](char symbol) { return symbol == '-' || symbol == ':'; });
  return text;
}

Result<std::filesystem::path> free_name(const std::filesystem::path& file, WallTime now) {
  constexpr int names_max = 100;
  const std::string first = file.string() + ".before-" + stamp(now);
  for (int number = 1; number <= names_max; ++number) {
    std::string name = number == 1 ? first : fmt::format("{}-{}", first, number);
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::symlink_status(name, ignored))) return name;
  }
  return fail(ErrorCode::exists, first + " and its like exist");
}

// Whoever read the file before can read it again (the mode of a new file is cut by the umask);
// giving it to its owner may need to be root.
Result<void> keep_access(const std::filesystem::path& path, const struct stat& like) {
  if (::chmod(path.c_str(), like.st_mode & 07777U) != 0)
    return fail_errno("chmod " + path.string(), errno);
  struct stat now{};
  if (::stat(path.c_str(), &now) != 0) return fail_errno("stat " + path.string(), errno);
  if (now.st_uid == like.st_uid && now.st_gid == like.st_gid) return {};
  if (::chown(path.c_str(), like.st_uid, like.st_gid) == 0) return {};
  return errno == EPERM ? Result<void>()
                        : Result<void>(fail_errno("give " + path.string() + " its owner", errno));
}

}  // namespace

Result<SwitchResult> switch_env(const std::filesystem::path& file, const EnvChange& change,
                                WallTime now) {
  TRY(check(change));
  std::error_code error;
  const auto real = std::filesystem::canonical(file, error);
  if (error) return fail_errno("open " + file.string(), error.value());
  struct stat facts{};
  if (::stat(real.c_str(), &facts) != 0) return fail_errno("stat " + real.string(), errno);
  if (!S_ISREG(facts.st_mode)) return fail(ErrorCode::usage, real.string() + " is no file");
  const Bytes before = TRY(read_file(real, env_file_bytes_max));
  SwitchResult result;
  result.edit = TRY(set_in_env(as_text(before), change).while_doing("editing " + real.string()));
  if (result.edit.changed_count == 0 && !result.edit.is_appended) return result;
  const unsigned mode = facts.st_mode & 07777U;
  result.backup = TRY(free_name(real, now));
  TRY(write_file_atomically(result.backup, before, mode));
  TRY(keep_access(result.backup, facts));
  TRY(write_file_atomically(real, as_bytes(result.edit.text), mode));
  TRY(keep_access(real, facts));
  return result;
}

}  // namespace holdfast::recover
