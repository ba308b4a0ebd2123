#pragma once
// Follows every snapshot through its trees: first to see that all is there, and, when something is
// not, once more to say whom it affects.
#include "repo/tree_walk.hpp"
#include "verify/findings.hpp"

namespace holdfast::verify {

// Reads every tree once. Adds findings for trees that can not be read, that break the format, and
// for blobs that are in no index or only in marked packs. How many trees were read.
Result<std::uint64_t> check_trees(const repo::Repository& repository,
                                  std::span<const repo::StoredSnapshot> snapshots,
                                  Findings& findings);

// REQUIRES: all damage is in `findings`. Adds to each finding the snapshots and paths it costs.
Result<void> find_affected(const repo::Repository& repository,
                           std::span<const repo::StoredSnapshot> snapshots, Findings& findings);

}  // namespace holdfast::verify
