#pragma once
// Which blobs the snapshots that stay need, and how much of each pack that is
// (docs/repository_format.md A14, steps 1 to 3).
#include "repo/tree_walk.hpp"

namespace holdfast::retain {

// Positions of the loaded index: the first copy of every blob that any of the snapshots reaches.
// Errors: corrupt when a tree can not be read or a blob is in no index: then nothing may be
// deleted.
Result<repo::PositionSet> find_used_blobs(const repo::Repository& repository,
                                          std::span<const repo::StoredSnapshot> snapshots);

// What one pack of the index holds. bytes are of sealed blobs.
struct PackTally {
  std::uint32_t used_blobs = 0, unused_blobs = 0;
  std::uint64_t used_bytes = 0, unused_bytes = 0;
  std::uint64_t header_bytes = 0;  // header and length field, as they should be
  bool has_data = false, has_trees = false;

  std::uint64_t file_bytes() const { return used_bytes + unused_bytes + header_bytes; }
};

struct Tallies {
  std::vector<PackTally> packs;  // by pack number
  repo::PositionSet kept;        // the one copy of each used blob that counts as used
};

// Of a blob in several packs one copy is kept: in a live pack if there is one, and there in the
// pack that needs to stay most for other reasons. All others count as unused.
Tallies tally_packs(const repo::Index& index, const repo::PositionSet& used);

}  // namespace holdfast::retain
