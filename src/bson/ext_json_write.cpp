#include <bson/bson.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/time_text.hpp"
#include "bson/ext_json.hpp"
#include "bson/utf8.hpp"

namespace holdfast::bson {

namespace {

// U+2028 and U+2029 end a line in JavaScript; the tools escape them.
constexpr std::string_view line_separator = "\xE2\x80\xA8";
constexpr std::string_view paragraph_separator = "\xE2\x80\xA9";

void append_ascii(char symbol, std::string& to) {
  switch (symbol) {
    case '"':
      to += "\\\"";
      return;
    case '\\':
      to += "\\\\";
      return;
    case '\b':
      to += "\\b";
      return;
    case '\f':
      to += "\\f";
      return;
    case '\n':
      to += "\\n";
      return;
    case '\r':
      to += "\\r";
      return;
    case '\t':
      to += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(symbol) < 0x20)
    to += fmt::format("\\u{:04x}", static_cast<unsigned>(symbol));
  else
    to.push_back(symbol);
}

// Shortest text that reads back as the same double, in the form that the Go driver gives it.
std::string double_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string text(buffer, scientific.ptr);
  const std::size_t mark = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(),
                  exponent);
  constexpr int exponent_min = -4;
  constexpr int exponent_max = 5;
  if (exponent < exponent_min || exponent > exponent_max) {
    text[mark] = 'E';
    return text;
  }
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  text.assign(buffer, fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string decimal_text(const Value& value) {
  bson_decimal128_t decimal;
  decimal.low = load_le<std::uint64_t>(value.bytes.data());
  decimal.high = load_le<std::uint64_t>(value.bytes.data() + 8);
  char text[BSON_DECIMAL128_STRING];
  bson_decimal128_to_string(&decimal, text);
  return text;
}

// Writes one value after the other into the same string.
class Writer {
 public:
  Writer(JsonForm form, std::string& to) : form_(form), to_(to) {}

  void document(Document document) {
    to_ += '{';
    bool first = true;
    for (const Element& element : document) {
      if (!first) to_ += ',';
      first = false;
      append_json_string(element.name, to_);
      to_ += ':';
      value(element.value);
    }
    to_ += '}';
  }

  void value(const Value& value) {
    switch (value.type) {
      case Type::string:
        return append_json_string(value.as_text(), to_);
      case Type::document:
        return document(value.as_document());
      case Type::array:
        return array(value.as_document());
      case Type::boolean:
        to_ += value.as_bool() ? "true" : "false";
        return;
      case Type::null:
        to_ += "null";
        return;
      case Type::int32:
      case Type::int64:
      case Type::double_:
      case Type::decimal128:
        return number(value);
      case Type::date:
        return date(value.as_int64());
      default:
        return wrapped(value);
    }
  }

 private:
  void array(Document array) {
    to_ += '[';
    bool first = true;
    for (const Element& element : array) {
      if (!first) to_ += ',';
      first = false;
      value(element.value);
    }
    to_ += ']';
  }

  void number(const Value& value) {
    const bool relaxed = form_ == JsonForm::relaxed;
    if (value.type == Type::decimal128) return quoted("$numberDecimal", decimal_text(value));
    if (value.type == Type::double_) {
      const std::string text = double_text(value.as_double());
      if (relaxed && std::isfinite(value.as_double())) {
        to_ += text;
        return;
      }
      return quoted("$numberDouble", text);
    }
    const bool is_short = value.type == Type::int32;
    const std::string text = std::to_string(is_short ? value.as_int32() : value.as_int64());
    if (relaxed) {
      to_ += text;
      return;
    }
    quoted(is_short ? "$numberInt" : "$numberLong", text);
  }

  void date(std::int64_t milliseconds) {
    constexpr std::int64_t year_10000 = 253'402'300'800'000;
    if (form_ == JsonForm::relaxed && milliseconds >= 0 && milliseconds < year_10000)
      return quoted("$date",
                    format_time(milliseconds / 1000,
                                static_cast<std::uint32_t>(milliseconds % 1000) * 1'000'000));
    to_ += fmt::format(R"({{"$date":{{"$numberLong":"{}"}}}})", milliseconds);
  }

  void wrapped(const Value& value) {
    switch (value.type) {
      case Type::object_id:
        return quoted("$oid", to_hex(value.bytes));
      case Type::binary:
        to_ += fmt::format(R"({{"$binary":{{"base64":"{}","subType":"{:02x}"}}}})",
                           to_base64(value.bytes.subspan(5)), value.bytes[4]);
        return;
      case Type::timestamp:
        to_ += fmt::format(R"({{"$timestamp":{{"t":{},"i":{}}}}})", value.as_timestamp().seconds,
                           value.as_timestamp().ordinal);
        return;
      case Type::symbol:
        return quoted("$symbol", value.as_text());
      case Type::code:
        return quoted("$code", value.as_text());
      case Type::regex:
        return regex(value);
      case Type::code_with_scope:
        return code_with_scope(value);
      case Type::db_pointer:
        return db_pointer(value);
      case Type::min_key:
        to_ += R"({"$minKey":1})";
        return;
      case Type::max_key:
        to_ += R"({"$maxKey":1})";
        return;
      default:
        to_ += R"({"$undefined":true})";
        return;
    }
  }

  void regex(const Value& value) {
    const std::string_view all = as_text(value.bytes);
    const std::size_t split = all.find('\0');
    to_ += R"({"$regularExpression":{"pattern":)";
    append_json_string(all.substr(0, split), to_);
    to_ += R"(,"options":)";
    append_json_string(all.substr(split + 1, all.size() - split - 2), to_);
    to_ += "}}";
  }

  void code_with_scope(const Value& value) {
    const std::size_t code_bytes = load_le<std::uint32_t>(value.bytes.data() + 4);
    to_ += R"({"$code":)";
    append_json_string(as_text(value.bytes.subspan(8, code_bytes - 1)), to_);
    to_ += R"(,"$scope":)";
    document(Document::trusted(value.bytes.subspan(8 + code_bytes)));
    to_ += '}';
  }

  void db_pointer(const Value& value) {
    const std::size_t name_bytes = load_le<std::uint32_t>(value.bytes.data());
    to_ += R"({"$dbPointer":{"$ref":)";
    append_json_string(as_text(value.bytes.subspan(4, name_bytes - 1)), to_);
    to_ +=
        fmt::format(R"(,"$id":{{"$oid":"{}"}}}}}})", to_hex(value.bytes.subspan(4 + name_bytes)));
  }

  void quoted(std::string_view wrapper, std::string_view text) {
    to_ += "{\"";
    to_ += wrapper;
    to_ += "\":";
    append_json_string(text, to_);
    to_ += '}';
  }

  JsonForm form_;
  std::string& to_;
};

}  // namespace

void append_json_string(std::string_view text, std::string& to) {
  to += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_bytes(text);
    const std::string_view sequence = text.substr(0, length);
    if (length == 0)
      to += "\\ufffd";
    else if (length == 1)
      append_ascii(text[0], to);
    else if (sequence == line_separator)
      to += "\\u2028";
    else if (sequence == paragraph_separator)
      to += "\\u2029";
    else
      to += sequence;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  to += '"';
}

void append_ext_json(Document document, JsonForm form, std::string& to) {
  Writer(form, to).document(document);
}

void append_ext_json(const Value& value, JsonForm form, std::string& to) {
  Writer(form, to).value(value);
}

std::string to_ext_json(Document document, JsonForm form) {
  std::string text;
  append_ext_json(document, form, text);
  return text;
}

std::string to_ext_json(const Value& value, JsonForm form) {
  std::string text;
  append_ext_json(value, form, text);
  return text;
}

}  // namespace holdfast::bson
