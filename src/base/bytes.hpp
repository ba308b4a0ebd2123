#pragma once
// Bytes we own (Bytes) and bytes we look at (ByteView). Bytes does not zero on resize: buffers of
// megabytes are filled by the next call anyway.
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace holdfast {

template <class T>
struct DefaultInitAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = DefaultInitAllocator<U>;
  };
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
};

using Bytes = std::vector<std::uint8_t, DefaultInitAllocator<std::uint8_t>>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) {
  return Bytes(view.begin(), view.end());
}
inline void append(Bytes& to, ByteView from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Fixed-width integers at any alignment. REQUIRES: the pointed-to range is inside the buffer.
template <class T>
T load_le(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store_le(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
inline std::uint64_t load_be64(const std::uint8_t* from) {
  return __builtin_bswap64(load_le<std::uint64_t>(from));
}
inline void store_be64(std::uint8_t* to, std::uint64_t value) {
  store_le(to, __builtin_bswap64(value));
}
inline std::uint32_t load_be32(const std::uint8_t* from) {
  return __builtin_bswap32(load_le<std::uint32_t>(from));
}
inline void store_be32(std::uint8_t* to, std::uint32_t value) {
  store_le(to, __builtin_bswap32(value));
}

// Lower-case hex, and RFC 4648 base64 with '=' padding.
std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);
std::string to_base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view text);

}  // namespace holdfast
