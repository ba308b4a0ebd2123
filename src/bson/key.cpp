#include "bson/key.hpp"

#include "bson/decimal_digits.hpp"

namespace holdfast::bson {

namespace {

constexpr std::uint8_t number_rank = 0x1E;
constexpr std::uint8_t key_not_a_number = 0x1E;
constexpr std::uint8_t key_minus_infinity = 0x1F;
constexpr std::uint8_t key_negative = 0x20;
constexpr std::uint8_t key_zero = 0x21;
constexpr std::uint8_t key_positive = 0x22;
constexpr std::uint8_t key_plus_infinity = 0x23;

void append_be32(std::uint32_t value, Bytes& to) {
  std::uint8_t raw[4];
  store_be32(raw, value);
  append(to, raw);
}

void append_be64(std::uint64_t value, Bytes& to) {
  std::uint8_t raw[8];
  store_be64(raw, value);
  append(to, raw);
}

// Zero bytes are escaped as 00 FF, so that the terminator sorts before any continuation.
void append_escaped(std::string_view text, Bytes& to) {
  while (true) {
    const std::size_t zero = text.find('\0');
    append(to, as_bytes(text.substr(0, zero)));
    to.push_back(0);
    if (zero == std::string_view::npos) return;
    to.push_back(0xFF);
    text.remove_prefix(zero + 1);
  }
}

// Exponent, digit pairs and terminator, inverted for negative numbers.
void append_digits(const DecimalDigits& number, Bytes& to) {
  const std::uint8_t flip = number.negative ? 0xFF : 0;
  to.push_back(number.negative ? key_negative : key_positive);
  const auto exponent = static_cast<std::uint32_t>(number.exponent + 0x8000);
  to.push_back(static_cast<std::uint8_t>((exponent >> 8) & 0xFF) ^ flip);
  to.push_back(static_cast<std::uint8_t>(exponent & 0xFF) ^ flip);
  for (std::uint32_t at = 0; at < number.count; at += 2) {
    const unsigned second = at + 1 < number.count ? number.digits[at + 1] : 0;
    to.push_back(static_cast<std::uint8_t>(10U * number.digits[at] + second + 1) ^ flip);
  }
  to.push_back(flip);
}

void append_number(const Value& value, Bytes& to) {
  DecimalDigits number;
  expand_decimal(value, number);
  switch (number.number_class) {
    case NumberClass::not_a_number:
      return to.push_back(key_not_a_number);
    case NumberClass::minus_infinity:
      return to.push_back(key_minus_infinity);
    case NumberClass::plus_infinity:
      return to.push_back(key_plus_infinity);
    case NumberClass::finite:
      break;
  }
  if (number.count == 0) return to.push_back(key_zero);
  append_digits(number, to);
}

void append_elements(Document document, Bytes& to) {
  for (const Element& element : document) {
    to.push_back(rank_of(element.value.type));
    append(to, as_bytes(element.name));
    to.push_back(0);
    append_key(element.value, to);
  }
  to.push_back(0);
}

void append_array(Document array, Bytes& to) {
  for (const Element& element : array) append_key(element.value, to);
  to.push_back(0);
}

void append_binary(ByteView bytes, Bytes& to) {
  append_be32(load_le<std::uint32_t>(bytes.data()), to);
  append(to, bytes.subspan(4));
}

void append_db_pointer(ByteView bytes, Bytes& to) {
  append_be32(load_le<std::uint32_t>(bytes.data()), to);
  append(to, bytes.subspan(4));
}

void append_code_with_scope(ByteView bytes, Bytes& to) {
  const std::size_t code_bytes = load_le<std::uint32_t>(bytes.data() + 4);
  append_escaped(as_text(bytes.subspan(8, code_bytes - 1)), to);
  append_elements(Document::trusted(bytes.subspan(8 + code_bytes)), to);
}

// Everything behind the type byte.
void append_body(const Value& value, Bytes& to) {
  constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;
  switch (value.type) {
    case Type::string:
    case Type::symbol:
    case Type::code:
      return append_escaped(value.as_text(), to);
    case Type::document:
      return append_elements(value.as_document(), to);
    case Type::array:
      return append_array(value.as_document(), to);
    case Type::binary:
      return append_binary(value.bytes, to);
    case Type::boolean:
      return to.push_back(value.as_bool() ? 1 : 0);
    case Type::date:
      return append_be64(load_le<std::uint64_t>(value.bytes.data()) ^ sign_bit, to);
    case Type::timestamp:
      return append_be64(load_le<std::uint64_t>(value.bytes.data()), to);
    case Type::db_pointer:
      return append_db_pointer(value.bytes, to);
    case Type::code_with_scope:
      return append_code_with_scope(value.bytes, to);
    default:  // ObjectId and regex are stored in comparison order; the rest has no body
      return append(to, value.bytes);
  }
}

}  // namespace

std::uint8_t rank_of(Type type) {
  switch (type) {
    case Type::min_key:
      return 0x0A;
    case Type::undefined:
    case Type::end:
      return 0x0F;
    case Type::null:
      return 0x14;
    case Type::int32:
    case Type::int64:
    case Type::double_:
    case Type::decimal128:
      return number_rank;
    case Type::string:
    case Type::symbol:
      return 0x3C;
    case Type::document:
      return 0x46;
    case Type::array:
      return 0x50;
    case Type::binary:
      return 0x5A;
    case Type::object_id:
      return 0x64;
    case Type::boolean:
      return 0x6E;
    case Type::date:
      return 0x78;
    case Type::timestamp:
      return 0x82;
    case Type::regex:
      return 0x8C;
    case Type::db_pointer:
      return 0x96;
    case Type::code:
      return 0xA0;
    case Type::code_with_scope:
      return 0xAA;
    case Type::max_key:
      return 0xF0;
  }
  return 0xF0;
}

void append_key(const Value& value, Bytes& to) {
  const std::uint8_t rank = rank_of(value.type);
  if (rank == number_rank) return append_number(value, to);
  to.push_back(rank);
  append_body(value, to);
}

Bytes key_of(const Value& value) {
  Bytes key;
  append_key(value, key);
  return key;
}

}  // namespace holdfast::bson
