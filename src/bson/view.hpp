#pragma once
// Looking at BSON bytes without copying or allocating. A View points into bytes that somebody else
// owns and that must outlive it; every access is bounds-checked once, by validate().
//
// Two levels of trust: `Document::validate(bytes)` walks foreign bytes completely (lengths, types,
// terminators, nesting <= depth_max) and is the only way to make a Document from bytes we did not
// write; iteration over a validated Document does no further checks.
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"

namespace holdfast::bson {

constexpr std::uint32_t document_bytes_max =
    16 * 1024 * 1024 + 16 * 1024;  // server's internal limit
constexpr int depth_max = 200;

enum class Type : std::uint8_t {
  end = 0x00,
  double_ = 0x01,
  string = 0x02,
  document = 0x03,
  array = 0x04,
  binary = 0x05,
  undefined = 0x06,
  object_id = 0x07,
  boolean = 0x08,
  date = 0x09,
  null = 0x0A,
  regex = 0x0B,
  db_pointer = 0x0C,
  code = 0x0D,
  symbol = 0x0E,
  code_with_scope = 0x0F,
  int32 = 0x10,
  timestamp = 0x11,
  int64 = 0x12,
  decimal128 = 0x13,
  min_key = 0xFF,
  max_key = 0x7F
};

// A position in a replica set's history. Ordered; never mixed with wall-clock time.
struct Timestamp {
  std::uint32_t seconds = 0;
  std::uint32_t ordinal = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

class Document;

// One value: its type and its raw bytes (without type byte and name). Valid as long as the bytes.
struct Value {
  Type type = Type::end;
  ByteView bytes;

  // REQUIRES: type fits (as_text: string, symbol, code; as_document: document, array).
  std::int32_t as_int32() const { return load_le<std::int32_t>(bytes.data()); }
  std::int64_t as_int64() const { return load_le<std::int64_t>(bytes.data()); }
  double as_double() const { return load_le<double>(bytes.data()); }
  bool as_bool() const { return bytes[0] != 0; }
  std::string_view as_text() const { return holdfast::as_text(bytes.subspan(4, bytes.size() - 5)); }
  Timestamp as_timestamp() const {
    return {load_le<std::uint32_t>(bytes.data() + 4), load_le<std::uint32_t>(bytes.data())};
  }
  Document as_document() const;
  // int32, int64, or a double with an integral value in range.
  std::optional<std::int64_t> as_integer() const;

  friend bool operator==(const Value& left, const Value& right) {
    return left.type == right.type && left.bytes.size() == right.bytes.size() &&
           std::memcmp(left.bytes.data(), right.bytes.data(), left.bytes.size()) == 0;
  }
};

struct Element {
  std::string_view name;
  Value value;
  ByteView raw;  // type byte, name, NUL, value: what to copy to keep the element unchanged
};

// A validated document or array. Copies are cheap (a pointer and a length).
class Document {
 public:
  // Checks everything; the error names the offset of what is wrong.
  static Result<Document> validate(ByteView bytes);
  // For bytes that were validated before or written by Builder. REQUIRES: really so.
  static Document trusted(ByteView bytes) { return Document(bytes); }

  ByteView bytes() const { return bytes_; }
  bool is_empty() const { return bytes_.size() == 5; }

  class Iterator {
   public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(const std::uint8_t* at) : at_(at) { read(); }
    const Element& operator*() const { return element_; }
    const Element* operator->() const { return &element_; }
    Iterator& operator++() {
      at_ += element_.raw.size();
      read();
      return *this;
    }
    bool operator==(std::nullptr_t) const { return *at_ == 0; }

   private:
    void read();
    const std::uint8_t* at_;
    Element element_;
  };
  Iterator begin() const { return Iterator(bytes_.data() + 4); }
  std::nullptr_t end() const { return nullptr; }

  // First element of that name.
  std::optional<Value> find(std::string_view name) const;

 private:
  explicit Document(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

// Length of a value of that type at `at`, for trusted bytes.
std::size_t value_bytes(Type type, const std::uint8_t* at);

}  // namespace holdfast::bson
