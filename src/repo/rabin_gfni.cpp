// 64 neighbouring segments of 1 KiB side by side, one per byte of a 512-bit register. The digests
// D = d * x^3 (rabin.hpp) are seven registers, byte k of all 64 digests in register k ("plane").
// Then a step costs no table look-up:
//   * times x^8 is a renaming of planes: plane k becomes plane k + 1;
//   * the byte in plane 6 overflows; its remainder, like those of the leaving and the entering
//     byte, is a linear map of eight bits, one GF2P8AFFINEQB for each plane;
//   * H has 20 zero bits at the bottom exactly if D has 23: planes 0 and 1, and 7 bits of plane 2.
#include "repo/rabin.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "repo/processor.hpp"

#ifdef __x86_64__

#include <immintrin.h>

#include <bit>
#include <utility>

#define ON_GFNI gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,gfni")

namespace holdfast::repo {
namespace {

constexpr std::size_t lane_count = 64;
constexpr std::size_t segment_bytes = 1024;
constexpr std::size_t block_bytes = lane_count * segment_bytes;

struct Matrices {
  __m512i overflow[7], leaving[7], entering[2];
};

struct Digests {
  __m512i planes[7];
};

struct Block {
  ByteView bytes;
  std::size_t from;                    // the block is the 64 KiB from here on
  std::size_t first_cut;               // bytes.size() while none was found
  __m512i window[rabin_window_bytes];  // ring: what entered 1 to 64 steps ago
};

[[ON_GFNI]] Matrices broadcast(const RabinPlanes& planes) {
  Matrices matrices;
  for (std::size_t k = 0; k < 7; ++k) {
    matrices.overflow[k] = _mm512_set1_epi64(static_cast<long long>(planes.overflow[k]));
    matrices.leaving[k] = _mm512_set1_epi64(static_cast<long long>(planes.leaving[k]));
  }
  for (std::size_t k = 0; k < 2; ++k)
    matrices.entering[k] = _mm512_set1_epi64(static_cast<long long>(planes.entering[k]));
  return matrices;
}

[[ON_GFNI, gnu::always_inline]] inline __m512i xor3(__m512i a, __m512i b, __m512i c) {
  return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

[[ON_GFNI, gnu::always_inline]] inline __m512i map(__m512i bytes, __m512i matrix) {
  return _mm512_gf2p8affine_epi64_epi8(bytes, matrix, 0);
}

// 8 x 8 quadwords: column[c] = quadword c of rows 0..7.
[[ON_GFNI, gnu::always_inline]] inline void transpose(const __m512i (&row)[8],
                                                      __m512i (&column)[8]) {
  __m512i pair[8];  // even entries: quadwords 0,2,4,6 of two rows; odd ones: 1,3,5,7
  for (std::size_t i = 0; i < 8; i += 2) {
    pair[i] = _mm512_unpacklo_epi64(row[i], row[i + 1]);
    pair[i + 1] = _mm512_unpackhi_epi64(row[i], row[i + 1]);
  }
  for (std::size_t odd = 0; odd < 2; ++odd) {
    const __m512i a04 = _mm512_shuffle_i64x2(pair[odd], pair[odd + 2], 0x88);
    const __m512i a26 = _mm512_shuffle_i64x2(pair[odd], pair[odd + 2], 0xDD);
    const __m512i b04 = _mm512_shuffle_i64x2(pair[odd + 4], pair[odd + 6], 0x88);
    const __m512i b26 = _mm512_shuffle_i64x2(pair[odd + 4], pair[odd + 6], 0xDD);
    column[odd] = _mm512_shuffle_i64x2(a04, b04, 0x88);
    column[odd + 4] = _mm512_shuffle_i64x2(a04, b04, 0xDD);
    column[odd + 2] = _mm512_shuffle_i64x2(a26, b26, 0x88);
    column[odd + 6] = _mm512_shuffle_i64x2(a26, b26, 0xDD);
  }
}

// The next eight bytes of every segment: byte n of step[t] = bytes[n * segment_bytes + t].
[[ON_GFNI, gnu::always_inline]] inline void load_steps(const std::uint8_t* bytes,
                                                       __m512i (&step)[8]) {
  constexpr long long s = segment_bytes;
  const __m512i offsets = _mm512_set_epi64(7 * s, 6 * s, 5 * s, 4 * s, 3 * s, 2 * s, s, 0);
  // Transposes 8 x 8 bytes: byte 8 t + n comes from byte 8 n + t.
  const __m512i by_step = _mm512_set_epi64(
      0x3F372F271F170F07, 0x3E362E261E160E06, 0x3D352D251D150D05, 0x3C342C241C140C04,
      0x3B332B231B130B03, 0x3A322A221A120A02, 0x3931292119110901, 0x3830282018100800);
  __m512i group[8];
  for (std::size_t g = 0; g < 8; ++g)
    group[g] = _mm512_permutexvar_epi8(
        by_step, _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), 0xFF, offsets,
                                             bytes + g * 8 * segment_bytes, 1));
  transpose(group, step);
}

// All 64 digests take in one byte each, and give up the one that entered 64 steps ago.
[[ON_GFNI, gnu::always_inline]] inline void roll(__m512i (&p)[7], const Matrices& m,
                                                 __m512i entering, __m512i leaving) {
  const __m512i over = p[6];
  p[6] = xor3(p[5], map(over, m.overflow[6]), map(leaving, m.leaving[6]));
  p[5] = xor3(p[4], map(over, m.overflow[5]), map(leaving, m.leaving[5]));
  p[4] = xor3(p[3], map(over, m.overflow[4]), map(leaving, m.leaving[4]));
  p[3] = xor3(p[2], map(over, m.overflow[3]), map(leaving, m.leaving[3]));
  p[2] = xor3(p[1], map(over, m.overflow[2]), map(leaving, m.leaving[2]));
  p[1] = _mm512_xor_si512(xor3(p[0], map(over, m.overflow[1]), map(leaving, m.leaving[1])),
                          map(entering, m.entering[1]));
  p[0] = xor3(map(over, m.overflow[0]), map(leaving, m.leaving[0]), map(entering, m.entering[0]));
}

// One bit per lane whose digest says: cut here.
[[ON_GFNI, gnu::always_inline]] inline std::uint64_t cuts_of(const __m512i (&p)[7]) {
  const __m512i seven_bits = _mm512_and_si512(p[2], _mm512_set1_epi8(0x7F));
  const __m512i any_bit = _mm512_ternarylogic_epi64(p[0], p[1], seven_bits, 0xFE);
  return _mm512_testn_epi8_mask(any_bit, any_bit);
}

[[gnu::noinline, gnu::cold]] void note_cuts(Block& block, std::uint64_t lanes, std::size_t end) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<std::size_t>(std::countr_zero(lanes));
    block.first_cut = std::min(block.first_cut, block.from + lane * segment_bytes + end);
  }
}

[[ON_GFNI, gnu::always_inline]] inline void warm_up_step(Digests& digests, Block& block,
                                                         const Matrices& matrices, __m512i entering,
                                                         std::size_t slot) {
  block.window[slot] = entering;
  roll(digests.planes, matrices, entering, _mm512_setzero_si512());
}

[[ON_GFNI, gnu::always_inline]] inline void search_step(Digests& digests, Block& block,
                                                        const Matrices& matrices, __m512i entering,
                                                        std::size_t end) {
  __m512i& slot = block.window[(end - 1) % rabin_window_bytes];
  roll(digests.planes, matrices, entering, slot);
  slot = entering;
  if (const std::uint64_t lanes = cuts_of(digests.planes); lanes != 0) [[unlikely]]
    note_cuts(block, lanes, end);
}

// Takes in the 64 bytes before each segment, so that the digests are those of full windows.
template <std::size_t... t>
[[ON_GFNI, gnu::always_inline]] inline void warm_up(Digests& digests, Block& block,
                                                    const Matrices& matrices,
                                                    std::index_sequence<t...>) {
  for (auto& plane : digests.planes) plane = _mm512_setzero_si512();
  const std::uint8_t* bytes = block.bytes.data() + block.from - rabin_window_bytes;
  for (std::size_t i = 0; i < rabin_window_bytes; i += 8) {
    __m512i step[8];
    load_steps(bytes + i, step);
    (warm_up_step(digests, block, matrices, step[t], i + t), ...);
  }
}

template <std::size_t... t>
[[ON_GFNI]] void search_block(Block& block, const Matrices& matrices,
                              std::index_sequence<t...> steps) {
  Digests digests;
  warm_up(digests, block, matrices, steps);
  const std::uint8_t* bytes = block.bytes.data() + block.from;
  for (std::size_t i = 0; i < segment_bytes; i += 8) {
    __m512i step[8];
    load_steps(bytes + i, step);
    (search_step(digests, block, matrices, step[t], i + t + 1), ...);
  }
}

[[ON_GFNI]] std::size_t search_blocks(const RabinPlanes& planes, ByteView bytes,
                                      std::size_t& from) {
  const Matrices matrices = broadcast(planes);
  constexpr auto eight = std::make_index_sequence<8>();
  Block block;
  block.bytes = bytes;
  block.first_cut = bytes.size();
  for (; from + block_bytes <= bytes.size(); from += block_bytes) {
    block.from = from;
    search_block(block, matrices, eight);
    if (block.first_cut < bytes.size()) break;
  }
  return block.first_cut;
}

}  // namespace

std::size_t search_gfni(const RabinTables& tables, const RabinPlanes& planes, ByteView bytes,
                        std::size_t from) {
  // A cut at `from` itself belongs to no segment.
  const ByteView first_window = bytes.first(std::min(from + 1, bytes.size()));
  if (search_one_lane(tables, first_window, from) == from) return from;
  const std::size_t cut = search_blocks(planes, bytes, from);
  return cut < bytes.size() ? cut : search_four_lanes(tables, bytes, from);
}

}  // namespace holdfast::repo

#else

namespace holdfast::repo {

std::size_t search_gfni(const RabinTables&, const RabinPlanes&, ByteView, std::size_t) {
  CHECK(processor_has_avx512_gfni());
  return 0;
}

}  // namespace holdfast::repo

#endif
