#pragma once
// Moves the blobs that are still needed out of packs that go, sealed as they are: no key, no
// compression and no plaintext on the way, but each is opened once to see that it is good.
#include "repo/position_set.hpp"
#include "repo/repository.hpp"

namespace holdfast::retain {

// Blobs sorted in memory at a time (56 bytes each).
constexpr std::size_t repack_blobs_max = std::size_t{1} << 18;

// What was moved. The new packs are durable and in index files of their own; the old ones still
// hold the same blobs.
struct Repacked {
  std::uint64_t packs = 0;  // new ones
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;  // sealed
};

// Blobs at the positions of `kept` in packs whose number is set in `packs`. Errors: corrupt when no
// intact copy of a blob can be found; interrupted; those of the store.
Result<Repacked> repack(const repo::Repository& repository, const std::vector<bool>& packs,
                        const repo::PositionSet& kept);

}  // namespace holdfast::retain
