#pragma once
// Writing BSON bytes: appends to one growing buffer, so that nothing is copied twice.
#include "bson/view.hpp"

namespace holdfast::bson {

// One thread. Documents nest by begin/end pairs; every begin_* needs its end().
class Builder {
 public:
  Builder() { clear(); }

  void clear();
  void append(std::string_view name, Value value);
  void append_raw(ByteView element);  // Element::raw, name included
  void append_int32(std::string_view name, std::int32_t value);
  void append_int64(std::string_view name, std::int64_t value);
  void append_double(std::string_view name, double value);
  void append_bool(std::string_view name, bool value);
  void append_null(std::string_view name);
  void append_text(std::string_view name, std::string_view value);
  void append_timestamp(std::string_view name, Timestamp value);
  void append_binary(std::string_view name, std::uint8_t subtype, ByteView value);
  void append_document(std::string_view name, Document value);
  void append_array(std::string_view name, Document value);
  void begin_document(std::string_view name);
  void begin_array(std::string_view name);
  void end();

  // Closes the root; valid until the next call on this builder.
  Document finish();
  Bytes take();

 private:
  void open(Type type, std::string_view name);
  Bytes bytes_;
  std::vector<std::size_t> open_;
};

}  // namespace holdfast::bson
