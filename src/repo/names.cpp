#include "repo/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "repo/text_scan.hpp"

namespace holdfast::repo {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range printable_ranges[] = {
#include "repo/printable_ranges.inc"
};

// Unicode 15.0, as the Go that today's restic is built with sees it. Another version costs only
// deduplication of the trees concerned.
bool is_printable(char32_t code_point) {
  const auto* const range = std::lower_bound(
      std::begin(printable_ranges), std::end(printable_ranges), code_point,
      [](const Range& candidate, char32_t wanted) { return candidate.last < wanted; });
  return range != std::end(printable_ranges) && range->first <= code_point;
}

void append_hex(std::uint32_t value, int digits, std::string& out) {
  constexpr std::string_view hex_digits = "0123456789abcdef";
  for (int digit = digits - 1; digit >= 0; --digit) out += hex_digits[value >> (4 * digit) & 15];
}

// Bytes that stand for themselves in a quoted name: printable ASCII but quote and backslash.
std::size_t find_unquotable(std::string_view raw, std::size_t at) {
  return find_marked(raw, at, [](std::uint64_t word) {
    return bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below(word, 0x20) |
           bytes_equal(word, 0x7F) | (word & each_byte(0x80));
  });
}

constexpr std::string_view escape_letters = "abfnrtv\\\"'";
constexpr std::string_view escape_meanings = "\a\b\f\n\r\t\v\\\"'";

void append_code_point(char32_t code_point, std::string_view utf8, std::string& out) {
  const auto value = static_cast<std::uint32_t>(code_point);
  const std::size_t special =
      value < 0x80 ? escape_meanings.find(static_cast<char>(value)) : std::string_view::npos;
  if (special != std::string_view::npos && value != '\'') {
    out += '\\';
    out += escape_letters[special];
  } else if (is_printable(code_point)) {
    out.append(utf8);
  } else if (value < 0x20 || value == 0x7F) {
    out += "\\x";
    append_hex(value, 2, out);
  } else {
    out += value < 0x10000 ? "\\u" : "\\U";
    append_hex(value, value < 0x10000 ? 4 : 8, out);
  }
}

int digit_value(char digit, unsigned base) {
  int value = -1;
  if (digit >= '0' && digit <= '9') value = digit - '0';
  if (digit >= 'a' && digit <= 'f') value = digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') value = digit - 'A' + 10;
  return value < static_cast<int>(base) ? value : -1;
}

// Reads `count` digits at `at` and moves behind them; negative when they are not there.
std::int64_t take_digits(std::string_view text, std::size_t& at, std::size_t count, unsigned base) {
  if (text.size() - at < count) return -1;
  std::int64_t value = 0;
  for (const std::size_t end = at + count; at < end; ++at) {
    const int digit = digit_value(text[at], base);
    if (digit < 0) return -1;
    value = value * base + digit;
  }
  return value;
}

bool append_byte(std::int64_t value, std::string& out) {
  if (value < 0 || value > 0xFF) return false;
  out += static_cast<char>(static_cast<std::uint8_t>(value));
  return true;
}

bool append_unicode(std::int64_t value, std::string& out) {
  if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return false;
  append_utf8(static_cast<char32_t>(value), out);
  return true;
}

// `at` is behind the backslash.
bool append_unescaped(std::string_view quoted, std::size_t& at, std::string& out) {
  if (at == quoted.size()) return false;
  const char letter = quoted[at];
  if (letter >= '0' && letter <= '7') return append_byte(take_digits(quoted, at, 3, 8), out);
  ++at;
  if (letter == 'x') return append_byte(take_digits(quoted, at, 2, 16), out);
  if (letter == 'u') return append_unicode(take_digits(quoted, at, 4, 16), out);
  if (letter == 'U') return append_unicode(take_digits(quoted, at, 8, 16), out);
  const std::size_t which = escape_letters.find(letter);
  // Go's strconv.Unquote does not know \' inside double quotes.
  if (which == std::string_view::npos || letter == '\'') return false;
  out += escape_meanings[which];
  return true;
}

}  // namespace

std::size_t decode_utf8(std::string_view text, char32_t& code_point) {
  const auto byte_at = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte_at(0);
  if (lead < 0x80) {
    code_point = lead;
    return 1;
  }
  const std::size_t length = lead < 0xC2   ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 0 || text.size() < length) return 0;
  char32_t value = lead & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte_at(at) & 0xC0) != 0x80) return 0;
    value = value << 6 | (byte_at(at) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> smallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xD800 && value < 0xE000;
  if (value < smallest[length] || value > 0x10FFFF || is_surrogate) return 0;
  code_point = value;
  return length;
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    char32_t code_point = 0;
    const std::size_t length = decode_utf8(text.substr(at, 4), code_point);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto value = static_cast<std::uint32_t>(code_point);
  const auto put = [&](std::uint32_t byte) {
    out += static_cast<char>(static_cast<std::uint8_t>(byte));
  };
  if (value < 0x80) {
    put(value);
  } else if (value < 0x800) {
    put(0xC0 | value >> 6);
    put(0x80 | (value & 0x3F));
  } else if (value < 0x10000) {
    put(0xE0 | value >> 12);
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  } else {
    put(0xF0 | value >> 18);
    put(0x80 | (value >> 12 & 0x3F));
    put(0x80 | (value >> 6 & 0x3F));
    put(0x80 | (value & 0x3F));
  }
}

void append_quoted_name(std::string_view raw, std::string& out) {
  for (std::size_t at = 0;;) {
    const std::size_t end = find_unquotable(raw, at);
    out.append(raw.substr(at, end - at));
    if (end == raw.size()) return;
    at = end;
    char32_t code_point = 0;
    const std::size_t length = decode_utf8(raw.substr(at, 4), code_point);
    if (length == 0) {
      out += "\\x";
      append_hex(static_cast<std::uint8_t>(raw[at]), 2, out);
      ++at;
    } else {
      append_code_point(code_point, raw.substr(at, length), out);
      at += length;
    }
  }
}

std::string quote_name(std::string_view raw) {
  std::string quoted;
  append_quoted_name(raw, quoted);
  return quoted;
}

Result<std::string> unquote_name(std::string_view quoted) {
  std::string raw;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(quoted.find('\\', at), quoted.size());
    raw.append(quoted.substr(at, end - at));
    if (end == quoted.size()) return raw;
    at = end + 1;
    if (!append_unescaped(quoted, at, raw))
      return fail(ErrorCode::malformed, fmt::format("bad escape in a name at offset {}", end));
  }
}

NameFlaw name_flaw(std::string_view raw) {
  if (raw.empty()) return NameFlaw::empty;
  if (raw == ".") return NameFlaw::dot;
  if (raw == "..") return NameFlaw::dot_dot;
  const std::size_t bad = raw.find_first_of(std::string_view("/\0", 2));
  if (bad == std::string_view::npos) return NameFlaw::none;
  return raw[bad] == '/' ? NameFlaw::slash : NameFlaw::nul;
}

std::string_view describe(NameFlaw flaw) {
  switch (flaw) {
    case NameFlaw::none:
      return "a valid name";
    case NameFlaw::empty:
      return "an empty name";
    case NameFlaw::dot:
      return "the name \".\"";
    case NameFlaw::dot_dot:
      return "the name \"..\"";
    case NameFlaw::slash:
      return "a name with a slash";
    case NameFlaw::nul:
      return "a name with a NUL byte";
  }
  return "an unknown flaw";
}

}  // namespace holdfast::repo
