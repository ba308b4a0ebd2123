#include "dataset/crc64.hpp"

#include <array>

namespace holdfast::dataset {

namespace {

using Tables = std::array<std::array<std::uint64_t, 256>, 8>;

// Table n gives the effect of a byte that is followed by n more bytes.
constexpr Tables make_tables() {
  constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;
  Tables tables{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::uint64_t state = byte;
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) != 0 ? polynomial : 0);
    tables[0][byte] = state;
  }
  for (std::size_t after = 1; after < 8; ++after) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t before = tables[after - 1][byte];
      tables[after][byte] = tables[0][before & 0xFF] ^ (before >> 8);
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

}  // namespace

void Crc64::update(ByteView bytes) {
  while (bytes.size() >= 8) {
    const std::uint64_t word = state_ ^ load_le<std::uint64_t>(bytes.data());
    std::uint64_t next = 0;
    for (std::size_t at = 0; at < 8; ++at) next ^= tables[7 - at][(word >> (8 * at)) & 0xFF];
    state_ = next;
    bytes = bytes.subspan(8);
  }
  for (const std::uint8_t byte : bytes) state_ = tables[0][(state_ ^ byte) & 0xFF] ^ (state_ >> 8);
}

}  // namespace holdfast::dataset
