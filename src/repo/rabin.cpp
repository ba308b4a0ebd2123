// A step of the rolling digest over GF(2), where + is XOR:
//   H(e + 1) = H(e) * x^8 + c - b * x^512   mod P     c enters, b stood 64 places before it
#include "repo/rabin.hpp"

#include <algorithm>

namespace holdfast::repo {
namespace {

constexpr int top_byte_shift = chunker_polynomial_degree - 8;  // the byte that overflows next

std::uint64_t append(const RabinTables& tables, std::uint64_t digest, std::uint8_t entering) {
  return ((digest << 8) | entering) ^ tables.overflow[digest >> top_byte_shift];
}

// H of the 64 bytes from `window` on, from nothing.
std::uint64_t digest_of(const RabinTables& tables, const std::uint8_t* window) {
  std::uint64_t digest = 0;
  for (std::size_t i = 0; i < rabin_window_bytes; ++i) digest = append(tables, digest, window[i]);
  return digest;
}

std::uint64_t roll(const RabinTables& tables, std::uint64_t digest, const std::uint8_t* entering) {
  return append(tables, digest, *entering) ^ tables.leaving[*(entering - rabin_window_bytes)];
}

bool is_cut(std::uint64_t digest) {
  return (digest & rabin_cut_mask) == 0;
}

// Column j of a linear map of one byte is the image of bit j. GF2P8AFFINEQB wants, for one byte of
// the image, its eight rows: row of bit i in byte 7 - i, bit j of the row = bit i of column j.
std::uint64_t matrix_of(const std::array<std::uint64_t, 8>& columns, std::size_t plane) {
  std::uint64_t matrix = 0;
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t j = 0; j < 8; ++j)
      matrix |= ((columns[j] >> (8 * plane + i)) & 1) << (8 * (7 - i) + j);
  return matrix;
}

constexpr std::size_t lane_count = 4;
constexpr std::size_t segment_bytes = 4096;

// The first cut in (from, from + 4 segments]; bytes.size() if there is none. A later lane may find
// its cut before an earlier one does, so all go to their ends.
std::size_t search_four_segments(const RabinTables& tables, ByteView bytes, std::size_t from) {
  const std::uint8_t* at = bytes.data() + from;
  std::uint64_t digests[lane_count];
  for (std::size_t lane = 0; lane < lane_count; ++lane)
    digests[lane] = digest_of(tables, at + lane * segment_bytes - rabin_window_bytes);

  std::size_t first = bytes.size();
  for (std::size_t i = 0; i < segment_bytes; ++i) {
    digests[0] = roll(tables, digests[0], at + i);
    digests[1] = roll(tables, digests[1], at + i + segment_bytes);
    digests[2] = roll(tables, digests[2], at + i + 2 * segment_bytes);
    digests[3] = roll(tables, digests[3], at + i + 3 * segment_bytes);
    if (!is_cut(digests[0]) && !is_cut(digests[1]) && !is_cut(digests[2]) && !is_cut(digests[3]))
      continue;
    for (std::size_t lane = 0; lane < lane_count; ++lane)
      if (is_cut(digests[lane])) first = std::min(first, from + lane * segment_bytes + i + 1);
  }
  return first;
}

}  // namespace

RabinTables make_rabin_tables(Polynomial polynomial) {
  RabinTables tables{.polynomial = polynomial.bits};
  Polynomial window_shift{1};  // x^512 mod P
  for (std::size_t i = 0; i < rabin_window_bytes; ++i)
    window_shift = multiply(window_shift, Polynomial{1 << 8}, polynomial);
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    const std::uint64_t over = byte << chunker_polynomial_degree;
    tables.overflow[byte] = remainder(Polynomial{over}, polynomial).bits | over;
    tables.leaving[byte] = multiply(Polynomial{byte}, window_shift, polynomial).bits;
  }
  return tables;
}

// With D = d * x^3 everything is modulo P * x^3, of degree 56: the overflowing byte is byte 6.
RabinPlanes make_rabin_planes(const RabinTables& tables) {
  const Polynomial modulus{tables.polynomial << 3};
  std::array<std::uint64_t, 8> overflow{}, leaving{}, entering{};
  for (std::size_t bit = 0; bit < 8; ++bit) {
    overflow[bit] = remainder(Polynomial{std::uint64_t{1} << (56 + bit)}, modulus).bits;
    leaving[bit] = tables.leaving[std::size_t{1} << bit] << 3;
    entering[bit] = std::uint64_t{1} << (bit + 3);
  }
  RabinPlanes planes;
  for (std::size_t plane = 0; plane < planes.overflow.size(); ++plane) {
    planes.overflow[plane] = matrix_of(overflow, plane);
    planes.leaving[plane] = matrix_of(leaving, plane);
  }
  for (std::size_t plane = 0; plane < planes.entering.size(); ++plane)
    planes.entering[plane] = matrix_of(entering, plane);
  return planes;
}

std::size_t search_one_lane(const RabinTables& tables, ByteView bytes, std::size_t from) {
  std::uint64_t digest = digest_of(tables, bytes.data() + from - rabin_window_bytes);
  std::size_t at = from;
  for (; at < bytes.size() && !is_cut(digest); ++at)
    digest = roll(tables, digest, bytes.data() + at);
  return at;
}

std::size_t search_four_lanes(const RabinTables& tables, ByteView bytes, std::size_t from) {
  if (is_cut(digest_of(tables, bytes.data() + from - rabin_window_bytes))) return from;
  for (; from + lane_count * segment_bytes <= bytes.size(); from += lane_count * segment_bytes) {
    const std::size_t cut = search_four_segments(tables, bytes, from);
    if (cut < bytes.size()) return cut;
  }
  return search_one_lane(tables, bytes, from);
}

}  // namespace holdfast::repo
