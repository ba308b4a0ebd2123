#include "repo/json_text.hpp"

#include <algorithm>
#include <charconv>

#include "repo/names.hpp"
#include "repo/node_time.hpp"
#include "repo/text_scan.hpp"

namespace holdfast::repo {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t buffer_bytes_min = 512;

// The escape of one ASCII byte that find_escape stops at.
std::string_view ascii_escape(char byte, std::array<char, 6>& scratch) {
  switch (byte) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto code = static_cast<std::uint8_t>(byte);
  scratch = {'\\', 'u', '0', '0', hex_digits[code >> 4], hex_digits[code & 15]};
  return {scratch.data(), scratch.size()};
}

}  // namespace

void JsonText::grow(std::size_t more) {
  buffer_.resize(std::max({buffer_bytes_min, buffer_.size() * 2, size_ + more}));
}

Bytes JsonText::take() {
  buffer_.resize(size_);
  size_ = 0;
  needs_comma_ = false;
  return std::exchange(buffer_, {});
}

void JsonText::key(std::string_view name) {
  reserve(name.size() + 4);
  std::uint8_t* to = buffer_.data() + size_;
  if (needs_comma_) *to++ = ',';
  *to++ = '"';
  std::memcpy(to, name.data(), name.size());
  to += name.size();
  *to++ = '"';
  *to++ = ':';
  size_ = static_cast<std::size_t>(to - buffer_.data());
  needs_comma_ = false;
}

void JsonText::put_escaped(std::string_view text) {
  std::array<char, 6> scratch{};
  for (std::size_t at = 0;;) {
    const std::size_t end = find_escape(text, at);
    put(text.substr(at, end - at));
    if (end == text.size()) return;
    at = end;
    if ((static_cast<std::uint8_t>(text[at]) & 0x80) == 0) {
      put(ascii_escape(text[at], scratch));
      ++at;
      continue;
    }
    char32_t code_point = 0;
    const std::size_t length = decode_utf8(text.substr(at, 4), code_point);
    if (length == 0)
      put("\\ufffd");
    else if (code_point == 0x2028 || code_point == 0x2029)
      put(code_point == 0x2028 ? "\\u2028" : "\\u2029");
    else
      put(text.substr(at, length));
    at += length == 0 ? 1 : length;
  }
}

void JsonText::string(std::string_view text) {
  separate();
  put('"');
  put_escaped(text);
  put('"');
}

void JsonText::string_unescaped(std::string_view text) {
  separate();
  put('"');
  put(text);
  put('"');
}

void JsonText::name(std::string_view raw) {
  quoted_.clear();
  append_quoted_name(raw, quoted_);
  string(quoted_);
}

void JsonText::base64(ByteView bytes) {
  string_unescaped(to_base64(bytes));
}

void JsonText::hex(ByteView bytes) {
  separate();
  put('"');
  reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    buffer_[size_++] = static_cast<std::uint8_t>(hex_digits[byte >> 4]);
    buffer_[size_++] = static_cast<std::uint8_t>(hex_digits[byte & 15]);
  }
  put('"');
}

void JsonText::number(std::uint64_t value) {
  separate();
  reserve(20);
  char* start = reinterpret_cast<char*>(buffer_.data()) + size_;
  size_ += static_cast<std::size_t>(std::to_chars(start, start + 20, value).ptr - start);
}

void JsonText::signed_number(std::int64_t value) {
  separate();
  reserve(20);
  char* start = reinterpret_cast<char*>(buffer_.data()) + size_;
  size_ += static_cast<std::size_t>(std::to_chars(start, start + 20, value).ptr - start);
}

void JsonText::time(const NodeTime& time) {
  separate();
  put('"');
  reserve(node_time_text_bytes_max);
  size_ += write_node_time(time, reinterpret_cast<char*>(buffer_.data()) + size_);
  put('"');
}

void JsonText::raw(std::string_view json) {
  separate();
  put(json);
}

}  // namespace holdfast::repo
