#pragma once
// Where a file is cut into chunks: restic's Rabin chunker by its mathematical definition
// (docs/repository_format.md A10).
//
// Let H(e) be the 64 bytes that end at offset e, read as a polynomial over GF(2) and reduced by
// the repository's polynomial. The first chunk ends at the smallest e >= 512 KiB whose H(e) has 20
// zero bits at the bottom, at 8 MiB, or at the end of the file. H(e) depends on 64 bytes only, so
// places can be tried in any order and many at once (rabin.hpp).
#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "repo/polynomial.hpp"
#include "repo/rabin.hpp"

namespace holdfast::repo {

constexpr std::size_t chunk_bytes_min = std::size_t{512} << 10;
constexpr std::size_t chunk_bytes_max = std::size_t{8} << 20;

// The ways to search; all find the same cuts.
enum class ChunkSearch : std::uint8_t {
  one_lane,    // the definition, one byte after the other: the yardstick of the tests
  four_lanes,  // four places at once in plain integer code: any processor
  gfni,        // 64 places at once: x86-64 with AVX-512 (F, BW, DQ, VBMI) and GFNI
};

bool is_available(ChunkSearch search);
ChunkSearch best_chunk_search();

// Immutable after make, so one Chunker serves all threads; make it once per repository.
class Chunker {
 public:
  // Errors: malformed if the polynomial is not of degree 53 or not irreducible; unsupported if this
  // processor lacks what `search` needs.
  static Result<Chunker> make(Polynomial polynomial, ChunkSearch search = best_chunk_search());

  // Length of the first chunk of `rest`, which starts at a chunk's start and either has at least
  // chunk_bytes_max bytes or goes to the end of the file. 0 only for an empty rest.
  std::size_t first_cut(ByteView rest) const;

  Polynomial polynomial() const { return Polynomial{tables_.polynomial}; }

 private:
  Chunker(Polynomial polynomial, ChunkSearch search);

  RabinTables tables_;
  RabinPlanes planes_;
  ChunkSearch search_;
};

}  // namespace holdfast::repo
