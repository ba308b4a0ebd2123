#include "bson/builder.hpp"

namespace holdfast::bson {

namespace {

template <class T>
void append_le(Bytes& to, T value) {
  std::uint8_t raw[sizeof value];
  store_le(raw, value);
  append(to, raw);
}

}  // namespace

void Builder::clear() {
  bytes_.clear();
  open_.clear();
  open_.push_back(0);
  append_le<std::int32_t>(bytes_, 0);
}

void Builder::open(Type type, std::string_view name) {
  bytes_.push_back(static_cast<std::uint8_t>(type));
  holdfast::append(bytes_, as_bytes(name));
  bytes_.push_back(0);
}

void Builder::append(std::string_view name, Value value) {
  open(value.type, name);
  holdfast::append(bytes_, value.bytes);
}

void Builder::append_raw(ByteView element) {
  holdfast::append(bytes_, element);
}

void Builder::append_int32(std::string_view name, std::int32_t value) {
  open(Type::int32, name);
  append_le(bytes_, value);
}

void Builder::append_int64(std::string_view name, std::int64_t value) {
  open(Type::int64, name);
  append_le(bytes_, value);
}

void Builder::append_double(std::string_view name, double value) {
  open(Type::double_, name);
  append_le(bytes_, value);
}

void Builder::append_bool(std::string_view name, bool value) {
  open(Type::boolean, name);
  bytes_.push_back(value ? 1 : 0);
}

void Builder::append_null(std::string_view name) {
  open(Type::null, name);
}

void Builder::append_text(std::string_view name, std::string_view value) {
  open(Type::string, name);
  append_le(bytes_, static_cast<std::uint32_t>(value.size() + 1));
  holdfast::append(bytes_, as_bytes(value));
  bytes_.push_back(0);
}

void Builder::append_timestamp(std::string_view name, Timestamp value) {
  open(Type::timestamp, name);
  append_le(bytes_, value.ordinal);
  append_le(bytes_, value.seconds);
}

void Builder::append_binary(std::string_view name, std::uint8_t subtype, ByteView value) {
  open(Type::binary, name);
  append_le(bytes_, static_cast<std::uint32_t>(value.size()));
  bytes_.push_back(subtype);
  holdfast::append(bytes_, value);
}

void Builder::append_document(std::string_view name, Document value) {
  append(name, Value{Type::document, value.bytes()});
}

void Builder::append_array(std::string_view name, Document value) {
  append(name, Value{Type::array, value.bytes()});
}

void Builder::begin_document(std::string_view name) {
  open(Type::document, name);
  open_.push_back(bytes_.size());
  append_le<std::int32_t>(bytes_, 0);
}

void Builder::begin_array(std::string_view name) {
  open(Type::array, name);
  open_.push_back(bytes_.size());
  append_le<std::int32_t>(bytes_, 0);
}

void Builder::end() {
  bytes_.push_back(0);
  const std::size_t start = open_.back();
  open_.pop_back();
  store_le(bytes_.data() + start, static_cast<std::uint32_t>(bytes_.size() - start));
}

Document Builder::finish() {
  if (!open_.empty()) end();
  return Document::trusted(bytes_);
}

Bytes Builder::take() {
  finish();
  Bytes taken = std::move(bytes_);
  clear();
  return taken;
}

}  // namespace holdfast::bson
