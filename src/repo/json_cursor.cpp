#include "repo/json_cursor.hpp"

#include <fmt/format.h>

#include "repo/names.hpp"
#include "repo/node_time.hpp"
#include "repo/text_scan.hpp"

namespace holdfast::repo {
namespace {

constexpr std::string_view replacement_character = "\xEF\xBF\xBD";  // U+FFFD

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

bool JsonCursor::fail_here(const char* reason) {
  if (reason_ == nullptr) {
    reason_ = reason;
    failed_at_ = position_;
  }
  return false;
}

Result<void> JsonCursor::status(std::string_view what) const {
  if (reason_ == nullptr) return {};
  return fail(ErrorCode::malformed, fmt::format("{}: {} at offset {}", what, reason_, failed_at_));
}

void JsonCursor::skip_space() {
  while (position_ < text_.size()) {
    const char byte = text_[position_];
    if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t') return;
    ++position_;
  }
}

bool JsonCursor::take(char byte) {
  if (!at(byte)) return false;
  ++position_;
  return true;
}

bool JsonCursor::at_end() {
  skip_space();
  return position_ == text_.size();
}

bool JsonCursor::enter_object() {
  if (failed()) return false;
  skip_space();
  if (!take('{')) return fail_here("expected an object");
  fresh_ = true;
  return true;
}

bool JsonCursor::enter_array() {
  if (failed()) return false;
  skip_space();
  if (!take('[')) return fail_here("expected an array");
  fresh_ = true;
  return true;
}

bool JsonCursor::next_key(std::string_view& key) {
  if (failed()) return false;
  skip_space();
  const bool first = std::exchange(fresh_, false);
  if (take('}')) return false;
  if (!first && !take(',')) return fail_here("expected a comma or the end of the object");
  if (!string_view(key)) return false;
  skip_space();
  return take(':') || fail_here("expected a colon");
}

bool JsonCursor::next_item() {
  if (failed()) return false;
  skip_space();
  const bool first = std::exchange(fresh_, false);
  if (take(']')) return false;
  return first || take(',') || fail_here("expected a comma or the end of the array");
}

bool JsonCursor::string_view(std::string_view& out) {
  if (failed()) return false;
  skip_space();
  if (!take('"')) return fail_here("expected a string");
  const std::size_t start = position_;
  for (;;) {
    position_ = find_string_break(text_, position_);
    if (position_ == text_.size()) return fail_here("unterminated string");
    if (text_[position_] == '"') break;
    char32_t code_point = 0;
    const bool is_wide = (static_cast<std::uint8_t>(text_[position_]) & 0x80) != 0;
    const std::size_t length = is_wide ? decode_utf8(text_.substr(position_, 4), code_point) : 0;
    if (length == 0) {
      if (!string_with_escapes(start, scratch_)) return false;
      out = scratch_;
      return true;
    }
    position_ += length;
  }
  out = text_.substr(start, position_ - start);
  ++position_;
  return true;
}

bool JsonCursor::string(std::string& out) {
  std::string_view view;
  if (!string_view(view)) return false;
  out.assign(view);
  return true;
}

// From the first byte that can not be taken as it is; what is before it is copied.
bool JsonCursor::string_with_escapes(std::size_t start, std::string& out) {
  out.assign(text_.substr(start, position_ - start));
  while (position_ < text_.size()) {
    const std::size_t end = find_string_break(text_, position_);
    out.append(text_.substr(position_, end - position_));
    position_ = end;
    if (position_ == text_.size()) break;
    const auto byte = static_cast<std::uint8_t>(text_[position_]);
    if (take('"')) return true;
    if (byte < 0x20) return fail_here("control character in a string");
    if (byte == '\\') {
      if (!escape(out)) return false;
      continue;
    }
    char32_t code_point = 0;
    const std::size_t length = decode_utf8(text_.substr(position_, 4), code_point);
    out.append(length == 0 ? replacement_character : text_.substr(position_, length));
    position_ += length == 0 ? 1 : length;
  }
  return fail_here("unterminated string");
}

bool JsonCursor::escape(std::string& out) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  ++position_;
  if (position_ == text_.size()) return fail_here("unterminated string");
  if (take('u')) return unicode_escape(out);
  const std::size_t which = letters.find(text_[position_]);
  if (which == std::string_view::npos) return fail_here("unknown escape in a string");
  out += meanings[which];
  ++position_;
  return true;
}

bool JsonCursor::hex4(char32_t& out) {
  out = 0;
  for (int digit = 0; digit < 4; ++digit) {
    const int value = position_ < text_.size() ? hex_value(text_[position_]) : -1;
    if (value < 0) return fail_here("bad \\u escape in a string");
    out = out << 4 | static_cast<char32_t>(value);
    ++position_;
  }
  return true;
}

bool JsonCursor::unicode_escape(std::string& out) {
  char32_t unit = 0;
  if (!hex4(unit)) return false;
  const bool is_high = unit >= 0xD800 && unit < 0xDC00;
  if (is_high && text_.substr(position_, 2) == "\\u") {
    const std::size_t before = position_;
    char32_t low = 0;
    position_ += 2;
    if (!hex4(low)) return false;
    if (low >= 0xDC00 && low < 0xE000) {
      append_utf8(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), out);
      return true;
    }
    position_ = before;
  }
  if (unit >= 0xD800 && unit < 0xE000)
    out.append(replacement_character);
  else
    append_utf8(unit, out);
  return true;
}

bool JsonCursor::digits(std::uint64_t& out) {
  const std::size_t start = position_;
  out = 0;
  while (position_ < text_.size() && is_digit(text_[position_])) {
    const auto digit = static_cast<std::uint64_t>(text_[position_] - '0');
    if (__builtin_mul_overflow(out, std::uint64_t{10}, &out) ||
        __builtin_add_overflow(out, digit, &out))
      return fail_here("number above 64 bits");
    ++position_;
  }
  if (position_ == start) return fail_here("expected a whole number");
  if (text_[start] == '0' && position_ - start > 1) return fail_here("number with a leading zero");
  if (at('.') || at('e') || at('E')) return fail_here("expected a whole number");
  return true;
}

bool JsonCursor::number(std::uint64_t& out) {
  if (failed()) return false;
  skip_space();
  return digits(out);
}

bool JsonCursor::number(std::uint32_t& out) {
  std::uint64_t wide = 0;
  if (!number(wide)) return false;
  if (wide > 0xFFFFFFFF) return fail_here("number above 32 bits");
  out = static_cast<std::uint32_t>(wide);
  return true;
}

bool JsonCursor::signed_number(std::int64_t& out) {
  if (failed()) return false;
  skip_space();
  constexpr std::uint64_t positive_max = 0x7FFFFFFFFFFFFFFF;
  const bool negative = take('-');
  std::uint64_t magnitude = 0;
  if (!digits(magnitude)) return false;
  if (magnitude > positive_max + (negative ? 1 : 0)) return fail_here("number above 64 bits");
  out = static_cast<std::int64_t>(negative ? std::uint64_t{0} - magnitude : magnitude);
  return true;
}

bool JsonCursor::literal(std::string_view word) {
  if (text_.substr(position_, word.size()) != word) return false;
  position_ += word.size();
  return true;
}

bool JsonCursor::boolean(bool& out) {
  if (failed()) return false;
  skip_space();
  out = at('t');
  return literal("true") || literal("false") || fail_here("expected true or false");
}

bool JsonCursor::take_null() {
  if (failed()) return false;
  skip_space();
  return literal("null");
}

bool JsonCursor::raw(std::string_view& out) {
  if (failed()) return false;
  skip_space();
  const std::size_t start = position_;
  if (!skip_value(0)) return false;
  out = text_.substr(start, position_ - start);
  return true;
}

bool JsonCursor::skip() {
  std::string_view ignored;
  return raw(ignored);
}

bool JsonCursor::skip_value(int depth) {
  skip_space();
  if (at('{') || at('[')) return skip_nested(depth);
  if (at('"')) return skip_string();
  if (literal("true") || literal("false") || literal("null")) return true;
  return number_text();
}

bool JsonCursor::skip_nested(int depth) {
  if (depth == json_depth_max) return fail_here("nested too deeply");
  if (at('{')) {
    std::string_view key;
    enter_object();
    while (next_key(key))
      if (!skip_value(depth + 1)) return false;
  } else {
    enter_array();
    while (next_item())
      if (!skip_value(depth + 1)) return false;
  }
  return !failed();
}

bool JsonCursor::skip_string() {
  std::string_view ignored;
  return string_view(ignored);
}

bool JsonCursor::number_text() {
  const auto run = [this] {
    const std::size_t start = position_;
    while (position_ < text_.size() && is_digit(text_[position_])) ++position_;
    return position_ - start;
  };
  take('-');
  const bool zero = at('0');
  const std::size_t whole = run();
  if (whole == 0) return fail_here("expected a value");
  if (zero && whole > 1) return fail_here("number with a leading zero");
  if (take('.') && run() == 0) return fail_here("expected a digit");
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    if (run() == 0) return fail_here("expected a digit");
  }
  return true;
}

bool keep_member(JsonCursor& in, std::string_view name, std::vector<RawMember>& members) {
  constexpr std::size_t members_max = 256;
  RawMember member{std::string(name), {}};
  std::string_view value;
  if (!in.raw(value)) return false;
  member.value = compact_json(value);
  for (auto& known : members) {
    if (known.name != member.name) continue;
    known.value = std::move(member.value);
    return true;
  }
  if (members.size() == members_max) return in.fail_here("too many unknown members");
  members.push_back(std::move(member));
  return true;
}

std::string compact_json(std::string_view json) {
  std::string compact;
  compact.reserve(json.size());
  bool in_string = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char byte = json[at];
    const bool is_space = byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
    if (in_string && byte == '\\' && at + 1 < json.size()) {
      compact += byte;
      ++at;
    } else if (byte == '"') {
      in_string = !in_string;
    } else if (is_space && !in_string) {
      continue;
    }
    compact += json[at];
  }
  return compact;
}

bool read_strings(JsonCursor& in, std::vector<std::string>& out) {
  out.clear();
  if (!in.enter_array()) return false;
  while (in.next_item()) {
    out.emplace_back();
    if (!in.take_null() && !in.string(out.back())) return false;
  }
  return !in.failed();
}

bool read_base64(JsonCursor& in, Bytes& out) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  auto bytes = from_base64(text);
  if (!bytes.has_value()) return in.fail_here("bad base64");
  out = std::move(*bytes);
  return true;
}

bool read_time(JsonCursor& in, NodeTime& out) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  const auto time = parse_node_time(text);
  if (!time.has_value()) return in.fail_here("not an RFC 3339 time");
  out = *time;
  return true;
}

bool read_hex32(JsonCursor& in, std::array<std::uint8_t, 32>& out) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  if (text.size() != 64) return in.fail_here("an id has 64 hex digits");
  for (std::size_t at = 0; at < out.size(); ++at) {
    const int high = hex_value(text[2 * at]);
    const int low = hex_value(text[2 * at + 1]);
    if (high < 0 || low < 0) return in.fail_here("an id has 64 hex digits");
    out[at] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace holdfast::repo
