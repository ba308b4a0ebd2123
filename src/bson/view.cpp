#include "bson/view.hpp"

#include <fmt/format.h>

#include <cmath>

namespace holdfast::bson {

namespace {

constexpr std::size_t document_bytes_min = 5;
constexpr std::size_t string_bytes_min = 5;
constexpr std::size_t object_id_bytes = 12;

// Walks foreign bytes. Offsets in errors are relative to the outermost document.
class Validator {
 public:
  explicit Validator(ByteView bytes) : bytes_(bytes) {}

  // Checks one document that starts at `at` and may reach up to `limit`; returns its end.
  Result<std::size_t> document(std::size_t at, std::size_t limit, int depth) {
    if (depth > depth_max) return wrong(at, "nesting is deeper than 200 levels");
    const std::size_t length = TRY(prefixed_length(at, limit, document_bytes_min));
    const std::size_t end = at + length;
    if (bytes_[end - 1] != 0) return wrong(end - 1, "a document does not end in a zero byte");
    std::size_t cursor = at + 4;
    while (cursor < end - 1) {
      cursor = TRY(element(cursor, end - 1, depth));
    }
    return end;
  }

 private:
  tl::unexpected<Error> wrong(std::size_t at, std::string_view what) const {
    return fail(ErrorCode::malformed, fmt::format("bson: {} at offset {}", what, at));
  }

  // An int32 length at `at` that counts itself (documents) or is checked to fit before `limit`.
  Result<std::size_t> prefixed_length(std::size_t at, std::size_t limit, std::size_t least) const {
    if (limit - at < 4) return wrong(at, "a length is cut off");
    const auto length = load_le<std::int32_t>(bytes_.data() + at);
    if (length < 0 || static_cast<std::size_t>(length) < least)
      return wrong(at, "a length is too small");
    if (static_cast<std::size_t>(length) > limit - at)
      return wrong(at, "a length reaches beyond its container");
    return static_cast<std::size_t>(length);
  }

  Result<std::size_t> element(std::size_t at, std::size_t limit, int depth) {
    const auto type = static_cast<Type>(bytes_[at]);
    if (type == Type::end) return wrong(at, "a zero byte where an element should start");
    const std::size_t value = TRY(zero_terminated(at + 1, limit));
    return this->value(type, value, limit, depth);
  }

  Result<std::size_t> value(Type type, std::size_t at, std::size_t limit, int depth) {
    switch (type) {
      case Type::double_:
      case Type::date:
      case Type::timestamp:
      case Type::int64:
        return fixed(at, limit, 8);
      case Type::int32:
        return fixed(at, limit, 4);
      case Type::decimal128:
        return fixed(at, limit, 16);
      case Type::object_id:
        return fixed(at, limit, object_id_bytes);
      case Type::undefined:
      case Type::null:
      case Type::min_key:
      case Type::max_key:
        return at;
      case Type::boolean:
        return boolean(at, limit);
      case Type::string:
      case Type::symbol:
      case Type::code:
        return string(at, limit);
      case Type::document:
      case Type::array:
        return document(at, limit, depth + 1);
      case Type::binary:
        return binary(at, limit);
      case Type::regex:
        return regex(at, limit);
      case Type::db_pointer:
        return db_pointer(at, limit);
      case Type::code_with_scope:
        return code_with_scope(at, limit, depth);
      case Type::end:
        break;
    }
    return wrong(
        at, fmt::format("unknown type 0x{:02x} before the value", static_cast<unsigned>(type)));
  }

  Result<std::size_t> fixed(std::size_t at, std::size_t limit, std::size_t length) const {
    if (limit - at < length) return wrong(at, "a value is cut off");
    return at + length;
  }

  Result<std::size_t> zero_terminated(std::size_t at, std::size_t limit) const {
    const void* zero = std::memchr(bytes_.data() + at, 0, limit - at);
    if (zero == nullptr) return wrong(at, "a name has no terminator");
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(zero) - bytes_.data()) + 1;
  }

  Result<std::size_t> boolean(std::size_t at, std::size_t limit) const {
    const std::size_t end = TRY(fixed(at, limit, 1));
    if (bytes_[at] > 1) return wrong(at, "a boolean is neither 0 nor 1");
    return end;
  }

  Result<std::size_t> string(std::size_t at, std::size_t limit) const {
    if (limit - at < string_bytes_min) return wrong(at, "a string is cut off");
    const auto length = load_le<std::int32_t>(bytes_.data() + at);
    if (length < 1) return wrong(at, "a string length is too small");
    if (static_cast<std::size_t>(length) > limit - at - 4)
      return wrong(at, "a string reaches beyond its container");
    const std::size_t end = at + 4 + static_cast<std::size_t>(length);
    if (bytes_[end - 1] != 0) return wrong(end - 1, "a string does not end in a zero byte");
    return end;
  }

  Result<std::size_t> binary(std::size_t at, std::size_t limit) const {
    if (limit - at < 5) return wrong(at, "binary data is cut off");
    const auto length = load_le<std::int32_t>(bytes_.data() + at);
    if (length < 0 || static_cast<std::size_t>(length) > limit - at - 5)
      return wrong(at, "binary data reaches beyond its container");
    return at + 5 + static_cast<std::size_t>(length);
  }

  Result<std::size_t> regex(std::size_t at, std::size_t limit) const {
    const std::size_t flags = TRY(zero_terminated(at, limit));
    return zero_terminated(flags, limit);
  }

  Result<std::size_t> db_pointer(std::size_t at, std::size_t limit) const {
    const std::size_t id = TRY(string(at, limit));
    return fixed(id, limit, object_id_bytes);
  }

  Result<std::size_t> code_with_scope(std::size_t at, std::size_t limit, int depth) {
    const std::size_t length = TRY(prefixed_length(at, limit, 4 + string_bytes_min));
    const std::size_t end = at + length;
    const std::size_t scope = TRY(string(at + 4, end));
    const std::size_t scope_end = TRY(document(scope, end, depth + 1));
    if (scope_end != end) return wrong(scope_end, "code with scope has a wrong length");
    return end;
  }

  ByteView bytes_;
};

std::size_t text_bytes(const std::uint8_t* at) {
  return 4 + load_le<std::uint32_t>(at);
}

std::size_t terminated_bytes(const std::uint8_t* at) {
  return std::strlen(reinterpret_cast<const char*>(at)) + 1;
}

}  // namespace

Document Value::as_document() const {
  return Document::trusted(bytes);
}

std::optional<std::int64_t> Value::as_integer() const {
  if (type == Type::int32) return as_int32();
  if (type == Type::int64) return as_int64();
  if (type != Type::double_) return std::nullopt;
  const double value = as_double();
  constexpr double two_to_63 = 9223372036854775808.0;
  if (!(value >= -two_to_63 && value < two_to_63)) return std::nullopt;
  if (std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

Result<Document> Document::validate(ByteView bytes) {
  Validator validator(bytes);
  const std::size_t end = TRY(validator.document(0, bytes.size(), 0));
  if (end != bytes.size())
    return fail(ErrorCode::malformed, fmt::format("bson: {} bytes follow the document at offset {}",
                                                  bytes.size() - end, end));
  return Document(bytes);
}

void Document::Iterator::read() {
  const auto type = static_cast<Type>(*at_);
  if (type == Type::end) return;
  const auto* name = reinterpret_cast<const char*>(at_ + 1);
  const std::size_t name_bytes = std::strlen(name);
  const std::uint8_t* value = at_ + name_bytes + 2;
  const std::size_t length = value_bytes(type, value);
  element_ = {{name, name_bytes}, {type, {value, length}}, {at_, name_bytes + 2 + length}};
}

std::optional<Value> Document::find(std::string_view name) const {
  for (const Element& element : *this) {
    if (element.name == name) return element.value;
  }
  return std::nullopt;
}

std::size_t value_bytes(Type type, const std::uint8_t* at) {
  switch (type) {
    case Type::double_:
    case Type::date:
    case Type::timestamp:
    case Type::int64:
      return 8;
    case Type::int32:
      return 4;
    case Type::decimal128:
      return 16;
    case Type::object_id:
      return object_id_bytes;
    case Type::boolean:
      return 1;
    case Type::string:
    case Type::symbol:
    case Type::code:
      return text_bytes(at);
    case Type::document:
    case Type::array:
    case Type::code_with_scope:
      return load_le<std::uint32_t>(at);
    case Type::binary:
      return 5 + std::size_t{load_le<std::uint32_t>(at)};
    case Type::regex:
      return terminated_bytes(at) + terminated_bytes(at + terminated_bytes(at));
    case Type::db_pointer:
      return text_bytes(at) + object_id_bytes;
    case Type::end:
    case Type::undefined:
    case Type::null:
    case Type::min_key:
    case Type::max_key:
      break;
  }
  return 0;
}

}  // namespace holdfast::bson
