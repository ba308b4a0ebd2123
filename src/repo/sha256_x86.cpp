// The compression function of SHA-256 (FIPS 180-4, 6.2.2) for several messages at once. Rounds are
// folds over index sequences, so that every index is a constant and the state stays in registers.
#include "repo/sha256_lanes.hpp"

#include "base/check.hpp"
#include "repo/processor.hpp"

#ifdef __x86_64__

#include <immintrin.h>

#include <utility>

#define ON_SHA gnu::target("sha,avx,sse4.1,ssse3")
#define ON_AVX512 gnu::target("avx512f,avx512bw,avx512dq,avx512vl")

namespace holdfast::repo {
namespace {

// Fractional parts of the cube roots of the first 64 primes.
alignas(64) constexpr std::array<std::uint32_t, 64> round_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct Stream {
  __m128i abef, cdgh;
  __m128i schedule[4];  // the last sixteen words, four by four
};

[[ON_SHA, gnu::always_inline]] inline void load_block(Stream& stream, const std::uint8_t* block) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (std::size_t i = 0; i < 4; ++i)
    stream.schedule[i] = _mm_shuffle_epi8(
        _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i)), big_endian);
}

// Rounds 4 r .. 4 r + 3, and the schedule's words for sixteen rounds later.
template <std::size_t r>
[[ON_SHA, gnu::always_inline]] inline void four_rounds(Stream& stream) {
  __m128i(&w)[4] = stream.schedule;
  const __m128i constants =
      _mm_load_si128(reinterpret_cast<const __m128i*>(round_constants.data() + 4 * r));
  const __m128i input = _mm_add_epi32(w[r % 4], constants);
  stream.cdgh = _mm_sha256rnds2_epu32(stream.cdgh, stream.abef, input);
  stream.abef = _mm_sha256rnds2_epu32(stream.abef, stream.cdgh, _mm_shuffle_epi32(input, 0x0E));
  if constexpr (r < 12) {
    const __m128i seven_back = _mm_alignr_epi8(w[(r + 3) % 4], w[(r + 2) % 4], 4);
    const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[r % 4], w[(r + 1) % 4]), seven_back);
    w[r % 4] = _mm_sha256msg2_epu32(sum, w[(r + 3) % 4]);
  }
}

template <std::size_t r, std::size_t... lane>
[[ON_SHA, gnu::always_inline]] inline void four_rounds_in_all(Stream* streams,
                                                              std::index_sequence<lane...>) {
  (four_rounds<r>(streams[lane]), ...);
}

template <std::size_t lane_count, std::size_t... r>
[[ON_SHA, gnu::always_inline]] inline void all_rounds(Stream* streams, std::index_sequence<r...>) {
  (four_rounds_in_all<r>(streams, std::make_index_sequence<lane_count>()), ...);
}

int word(std::uint32_t value) {
  return static_cast<int>(value);
}

template <std::size_t lane_count>
[[ON_SHA]] void load_states(const LaneStates<lane_count>& states, Stream* streams) {
  const auto& w = states.words;
  for (std::size_t l = 0; l < lane_count; ++l) {
    streams[l].abef = _mm_set_epi32(word(w[0][l]), word(w[1][l]), word(w[4][l]), word(w[5][l]));
    streams[l].cdgh = _mm_set_epi32(word(w[2][l]), word(w[3][l]), word(w[6][l]), word(w[7][l]));
  }
}

template <std::size_t lane_count>
[[ON_SHA]] void store_states(const Stream* streams, LaneStates<lane_count>& states) {
  auto& w = states.words;
  for (std::size_t l = 0; l < lane_count; ++l) {
    std::uint32_t feba[4], hgdc[4];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(feba), streams[l].abef);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(hgdc), streams[l].cdgh);
    w[0][l] = feba[3], w[1][l] = feba[2], w[4][l] = feba[1], w[5][l] = feba[0];
    w[2][l] = hgdc[3], w[3][l] = hgdc[2], w[6][l] = hgdc[1], w[7][l] = hgdc[0];
  }
}

struct Wide {
  __m512i a, b, c, d, e, f, g, h;
};

template <int bits>
[[ON_AVX512, gnu::always_inline]] inline __m512i rotate(__m512i x) {
  return _mm512_ror_epi32(x, bits);
}

[[ON_AVX512, gnu::always_inline]] inline __m512i xor3(__m512i x, __m512i y, __m512i z) {
  return _mm512_ternarylogic_epi32(x, y, z, 0x96);
}

[[ON_AVX512, gnu::always_inline]] inline __m512i add(__m512i x, __m512i y) {
  return _mm512_add_epi32(x, y);
}

// 4 x 4 words inside each 128 bits: row i of messages 4 g .. 4 g + 3 becomes word i of each.
[[ON_AVX512, gnu::always_inline]] inline void transpose_words(__m512i* rows) {
  const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
  const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
  const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  rows[0] = _mm512_unpacklo_epi64(low01, low23);
  rows[1] = _mm512_unpackhi_epi64(low01, low23);
  rows[2] = _mm512_unpacklo_epi64(high01, high23);
  rows[3] = _mm512_unpackhi_epi64(high01, high23);
}

// rows[4 g + i] holds words i, 4 + i, 8 + i, 12 + i of messages 4 g .. 4 g + 3; w[4 k + i] gets
// word 4 k + i of all sixteen: 4 x 4 pieces of 128 bits.
template <std::size_t i>
[[ON_AVX512, gnu::always_inline]] inline void transpose_quarters(const __m512i* rows, __m512i* w) {
  const __m512i even01 = _mm512_shuffle_i32x4(rows[i], rows[4 + i], 0x88);
  const __m512i odd01 = _mm512_shuffle_i32x4(rows[i], rows[4 + i], 0xDD);
  const __m512i even23 = _mm512_shuffle_i32x4(rows[8 + i], rows[12 + i], 0x88);
  const __m512i odd23 = _mm512_shuffle_i32x4(rows[8 + i], rows[12 + i], 0xDD);
  w[i] = _mm512_shuffle_i32x4(even01, even23, 0x88);
  w[8 + i] = _mm512_shuffle_i32x4(even01, even23, 0xDD);
  w[4 + i] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
  w[12 + i] = _mm512_shuffle_i32x4(odd01, odd23, 0xDD);
}

template <std::size_t... lane>
[[ON_AVX512, gnu::always_inline]] inline void load_blocks(const LaneBlocks<16>& blocks,
                                                          std::size_t offset, __m512i* w,
                                                          std::index_sequence<lane...>) {
  const __m512i big_endian =
      _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m512i rows[16];
  ((rows[lane] = _mm512_shuffle_epi8(_mm512_loadu_si512(blocks[lane] + offset), big_endian)), ...);
  transpose_words(rows);
  transpose_words(rows + 4);
  transpose_words(rows + 8);
  transpose_words(rows + 12);
  transpose_quarters<0>(rows, w);
  transpose_quarters<1>(rows, w);
  transpose_quarters<2>(rows, w);
  transpose_quarters<3>(rows, w);
}

template <std::size_t r>
[[ON_AVX512, gnu::always_inline]] inline void one_round(Wide& s, __m512i* w) {
  const __m512i input = add(w[r % 16], _mm512_set1_epi32(static_cast<int>(round_constants[r])));
  const __m512i choice = _mm512_ternarylogic_epi32(s.e, s.f, s.g, 0xCA);
  const __m512i majority = _mm512_ternarylogic_epi32(s.a, s.b, s.c, 0xE8);
  const __m512i sum1 = xor3(rotate<6>(s.e), rotate<11>(s.e), rotate<25>(s.e));
  const __m512i sum0 = xor3(rotate<2>(s.a), rotate<13>(s.a), rotate<22>(s.a));
  const __m512i t1 = add(add(s.h, input), add(sum1, choice));
  const __m512i t2 = add(sum0, majority);
  s = {add(t1, t2), s.a, s.b, s.c, add(s.d, t1), s.e, s.f, s.g};
  if constexpr (r < 48) {
    const __m512i p = w[(r + 1) % 16], q = w[(r + 14) % 16];
    const __m512i sigma0 = xor3(rotate<7>(p), rotate<18>(p), _mm512_srli_epi32(p, 3));
    const __m512i sigma1 = xor3(rotate<17>(q), rotate<19>(q), _mm512_srli_epi32(q, 10));
    w[r % 16] = add(add(w[r % 16], sigma0), add(w[(r + 9) % 16], sigma1));
  }
}

template <std::size_t... r>
[[ON_AVX512, gnu::always_inline]] inline void all_rounds_wide(Wide& s, __m512i* w,
                                                              std::index_sequence<r...>) {
  (one_round<r>(s, w), ...);
}

template <std::size_t lane_count>
[[ON_SHA]] void compress_with_sha(LaneStates<lane_count>& states,
                                  const LaneBlocks<lane_count>& blocks, std::size_t block_count) {
  Stream streams[lane_count];
  load_states(states, streams);
  for (std::size_t block = 0; block < block_count; ++block) {
    _mm256_zeroupper();  // see clear_upper_halves(); costs next to nothing
    __m128i abef[lane_count], cdgh[lane_count];
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      abef[lane] = streams[lane].abef;
      cdgh[lane] = streams[lane].cdgh;
      load_block(streams[lane], blocks[lane] + block * sha256_block_bytes);
    }
    all_rounds<lane_count>(streams, std::make_index_sequence<16>());
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      streams[lane].abef = _mm_add_epi32(streams[lane].abef, abef[lane]);
      streams[lane].cdgh = _mm_add_epi32(streams[lane].cdgh, cdgh[lane]);
    }
  }
  store_states(streams, states);
}

}  // namespace

void compress_sha_ni(LaneStates<1>& states, const LaneBlocks<1>& blocks, std::size_t block_count) {
  compress_with_sha(states, blocks, block_count);
}
void compress_sha_ni(LaneStates<2>& states, const LaneBlocks<2>& blocks, std::size_t block_count) {
  compress_with_sha(states, blocks, block_count);
}
void compress_sha_ni(LaneStates<4>& states, const LaneBlocks<4>& blocks, std::size_t block_count) {
  compress_with_sha(states, blocks, block_count);
}

[[ON_AVX512]] void compress_avx512(LaneStates<16>& states, const LaneBlocks<16>& blocks,
                                   std::size_t block_count) {
  const auto& words = states.words;
  Wide s = {_mm512_load_si512(words[0]), _mm512_load_si512(words[1]), _mm512_load_si512(words[2]),
            _mm512_load_si512(words[3]), _mm512_load_si512(words[4]), _mm512_load_si512(words[5]),
            _mm512_load_si512(words[6]), _mm512_load_si512(words[7])};
  for (std::size_t block = 0; block < block_count; ++block) {
    __m512i w[16];
    load_blocks(blocks, block * sha256_block_bytes, w, std::make_index_sequence<16>());
    const Wide before = s;
    all_rounds_wide(s, w, std::make_index_sequence<64>());
    s = {add(s.a, before.a), add(s.b, before.b), add(s.c, before.c), add(s.d, before.d),
         add(s.e, before.e), add(s.f, before.f), add(s.g, before.g), add(s.h, before.h)};
  }
  const __m512i after[8] = {s.a, s.b, s.c, s.d, s.e, s.f, s.g, s.h};
  for (std::size_t word = 0; word < 8; ++word) _mm512_store_si512(states.words[word], after[word]);
}

}  // namespace holdfast::repo

#else

namespace holdfast::repo {

// Never called here: is_available says no to both engines.
void compress_sha_ni(LaneStates<1>&, const LaneBlocks<1>&, std::size_t) {
  CHECK(processor_has_sha());
}
void compress_sha_ni(LaneStates<2>&, const LaneBlocks<2>&, std::size_t) {
  CHECK(processor_has_sha());
}
void compress_sha_ni(LaneStates<4>&, const LaneBlocks<4>&, std::size_t) {
  CHECK(processor_has_sha());
}

void compress_avx512(LaneStates<16>&, const LaneBlocks<16>&, std::size_t) {
  CHECK(processor_has_avx512());
}

}  // namespace holdfast::repo

#endif
