#pragma once
// A 32-byte SHA-256 name. Each kind of id is a type of its own, so that a pack id can not be
// passed where a blob id is meant.
#include <algorithm>
#include <array>
#include <compare>
#include <functional>

#include "base/bytes.hpp"

namespace holdfast {

template <class Tag>
struct Id {
  std::array<std::uint8_t, 32> bytes{};

  friend auto operator<=>(const Id&, const Id&) = default;

  bool is_null() const { return *this == Id{}; }
  ByteView view() const { return bytes; }
  std::string hex() const { return to_hex(bytes); }
  std::string short_hex() const { return hex().substr(0, 8); }

  static Id from_bytes(ByteView view) {  // REQUIRES: view.size() == 32
    Id id;
    std::copy_n(view.begin(), 32, id.bytes.begin());
    return id;
  }
  static Result<Id> parse(std::string_view text) {
    if (text.size() != 64)
      return fail(ErrorCode::malformed,
                  "an id has 64 hex digits, this has " + std::to_string(text.size()));
    auto bytes = TRY(from_hex(text));
    return from_bytes(bytes);
  }
};

// Ids are uniformly distributed already: the first eight bytes are the hash.
template <class Tag>
struct IdHash {
  std::size_t operator()(const Id<Tag>& id) const {
    return load_le<std::uint64_t>(id.bytes.data());
  }
};

}  // namespace holdfast

template <class Tag>
struct std::hash<holdfast::Id<Tag>> : holdfast::IdHash<Tag> {};
