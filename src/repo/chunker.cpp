#include "repo/chunker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/processor.hpp"

namespace holdfast::repo {

bool is_available(ChunkSearch search) {
  return search != ChunkSearch::gfni || processor_has_avx512_gfni();
}

ChunkSearch best_chunk_search() {
  return is_available(ChunkSearch::gfni) ? ChunkSearch::gfni : ChunkSearch::four_lanes;
}

Chunker::Chunker(Polynomial polynomial, ChunkSearch search)
    : tables_(make_rabin_tables(polynomial)),
      planes_(make_rabin_planes(tables_)),
      search_(search) {}

Result<Chunker> Chunker::make(Polynomial polynomial, ChunkSearch search) {
  if (polynomial.degree() != chunker_polynomial_degree || !is_irreducible(polynomial))
    return fail(ErrorCode::malformed,
                fmt::format("the chunker polynomial {} is not an irreducible one of degree {}",
                            polynomial.hex(), chunker_polynomial_degree));
  if (!is_available(search))
    return fail(ErrorCode::unsupported, "this processor lacks the instructions of that search");
  return Chunker(polynomial, search);
}

std::size_t Chunker::first_cut(ByteView rest) const {
  if (rest.size() <= chunk_bytes_min) return rest.size();
  const ByteView longest = rest.first(std::min(rest.size(), chunk_bytes_max));
  switch (search_) {
    case ChunkSearch::gfni:
      return search_gfni(tables_, planes_, longest, chunk_bytes_min);
    case ChunkSearch::four_lanes:
      return search_four_lanes(tables_, longest, chunk_bytes_min);
    case ChunkSearch::one_lane:
      break;
  }
  return search_one_lane(tables_, longest, chunk_bytes_min);
}

}  // namespace holdfast::repo
