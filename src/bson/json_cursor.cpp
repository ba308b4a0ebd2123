#include "bson/json_cursor.hpp"

#include <fmt/format.h>

#include <charconv>

#include "bson/utf8.hpp"

namespace holdfast::bson {

namespace {

constexpr bool is_digit(char symbol) {
  return symbol >= '0' && symbol <= '9';
}

}  // namespace

tl::unexpected<Error> JsonCursor::wrong_at(std::size_t at, std::string_view what) const {
  return fail(ErrorCode::malformed, fmt::format("json: {} at offset {}", what, at));
}

void JsonCursor::skip_space() {
  constexpr std::string_view space = " \t\r\n";
  while (at_ < text_.size() && space.find(text_[at_]) != std::string_view::npos) ++at_;
}

void JsonCursor::skip_digits() {
  while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
}

char JsonCursor::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonCursor::take(char symbol) {
  if (peek() != symbol || at_ == text_.size()) return false;
  ++at_;
  return true;
}

Result<void> JsonCursor::expect(char symbol) {
  if (!take(symbol)) return wrong(fmt::format("'{}' is missing", symbol));
  return {};
}

Result<void> JsonCursor::expect_word(std::string_view word) {
  skip_space();
  if (text_.substr(at_, word.size()) != word) return wrong(fmt::format("'{}' is missing", word));
  at_ += word.size();
  return {};
}

Result<void> JsonCursor::expect_end() {
  skip_space();
  if (at_ != text_.size()) return wrong("text follows the value");
  return {};
}

Result<std::string> JsonCursor::string() {
  if (!take('"')) return wrong("a string is missing");
  const std::size_t start = at_ - 1;
  std::string out;
  while (at_ < text_.size() && text_[at_] != '"') {
    if (static_cast<unsigned char>(text_[at_]) < 0x20)
      return wrong("a control character in a string");
    if (text_[at_] == '\\') {
      TRY(escape(out));
      continue;
    }
    const std::size_t length = utf8_sequence_bytes(text_.substr(at_));
    if (length == 0) return wrong("bytes that are not UTF-8");
    out += text_.substr(at_, length);
    at_ += length;
  }
  if (at_ == text_.size()) return wrong_at(start, "a string has no end");
  ++at_;
  return out;
}

Result<void> JsonCursor::escape(std::string& to) {
  if (at_ + 1 >= text_.size()) return wrong("an escape is cut off");
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const std::size_t which = names.find(text_[at_ + 1]);
  if (which != std::string_view::npos) {
    to += meanings[which];
    at_ += 2;
    return {};
  }
  if (text_[at_ + 1] != 'u') return wrong("an unknown escape");
  const std::uint32_t point = TRY(code_point());
  append_utf8(point, to);
  return {};
}

// `\uXXXX` at the cursor.
Result<std::uint32_t> JsonCursor::code_unit() {
  constexpr std::size_t digits = 4;
  if (text_.substr(at_, 2) != "\\u" || text_.size() - at_ < 2 + digits)
    return wrong("a \\u escape is incomplete");
  std::uint32_t unit = 0;
  const char* first = text_.data() + at_ + 2;
  const auto parsed = std::from_chars(first, first + digits, unit, 16);
  if (parsed.ec != std::errc() || parsed.ptr != first + digits)
    return wrong("a \\u escape without four hex digits");
  at_ += 2 + digits;
  return unit;
}

Result<std::uint32_t> JsonCursor::code_point() {
  const std::size_t start = at_;
  const std::uint32_t unit = TRY(code_unit());
  if (unit < 0xD800 || unit > 0xDFFF) return unit;
  if (unit > 0xDBFF) return wrong_at(start, "half of a surrogate pair");
  const std::uint32_t low = TRY(code_unit());
  if (low < 0xDC00 || low > 0xDFFF) return wrong_at(start, "half of a surrogate pair");
  return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

Result<std::string_view> JsonCursor::number() {
  skip_space();
  const std::size_t start = at_;
  const auto digits = [this] {
    const std::size_t first = at_;
    skip_digits();
    return at_ - first;
  };
  if (at_ < text_.size() && text_[at_] == '-') ++at_;
  const bool leads_with_zero = at_ < text_.size() && text_[at_] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (leads_with_zero && whole > 1)) return wrong_at(start, "not a value");
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (digits() == 0) return wrong("a number without digits after the point");
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (digits() == 0) return wrong("a number without digits in its exponent");
  }
  return text_.substr(start, at_ - start);
}

}  // namespace holdfast::bson
