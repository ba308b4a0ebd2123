#pragma once
// The search for a cut: the hot loop of the chunker, in three equivalent forms. See chunker.hpp for
// what H(e) is. Internal to the chunker, its tests and its benchmark.
//
// Each search returns the smallest e in [from, data.size()] whose H(e) has 20 zero bits at the
// bottom, or data.size() if there is none. REQUIRES: 64 <= from <= data.size().
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "repo/polynomial.hpp"

namespace holdfast::repo {

constexpr std::size_t rabin_window_bytes = 64;
constexpr std::uint64_t rabin_cut_mask = (std::uint64_t{1} << 20) - 1;

// The linear maps of one byte that a step of the rolling digest needs.
struct RabinTables {
  std::uint64_t polynomial = 0;
  // overflow[b] = (b * x^53 mod P) | (b << 53): clears the byte that the shift pushed over the
  // degree, and adds its remainder.
  std::array<std::uint64_t, 256> overflow{};
  // leaving[b] = b * x^512 mod P: takes out the byte that stood 64 places back.
  std::array<std::uint64_t, 256> leaving{};
};

// The same maps, and that of the entering byte, for a digest kept as D = d * x^3: seven whole
// bytes, lowest first. Each entry is the 8 x 8 bit matrix that gives one byte of the result.
struct RabinPlanes {
  std::array<std::uint64_t, 7> overflow{};
  std::array<std::uint64_t, 7> leaving{};
  std::array<std::uint64_t, 2> entering{};  // c * x^3 has eleven bits: the other five are zero
};

// REQUIRES: the polynomial is irreducible and of degree 53.
RabinTables make_rabin_tables(Polynomial polynomial);
RabinPlanes make_rabin_planes(const RabinTables& tables);

// One byte after the other.
std::size_t search_one_lane(const RabinTables& tables, ByteView bytes, std::size_t from);

// Four neighbouring segments at once: their table look-ups do not wait for each other.
std::size_t search_four_lanes(const RabinTables& tables, ByteView bytes, std::size_t from);

// 64 segments at once. REQUIRES: processor_has_avx512_gfni(). The tables serve the rest that is too
// short for that.
std::size_t search_gfni(const RabinTables& tables, const RabinPlanes& planes, ByteView bytes,
                        std::size_t from);

}  // namespace holdfast::repo
