#pragma once
// Visits what snapshots reach: every distinct tree once, node by node. Memory is one bit a blob,
// one tree, and the directories still to be read.
#include <span>

#include "repo/position_set.hpp"
#include "repo/repository.hpp"

namespace holdfast::repo {

// Damage to what is stored, as against a store that can not be reached: readers go on after it.
bool is_damage(ErrorCode code);

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // `previous_name` is that of the node before in the same tree, empty for the first.
  virtual Result<void> node(const BlobId& tree, const Node& node,
                            std::string_view previous_name) = 0;
  // A tree that can not be read: in no index (not_found), or damaged in every copy. May come more
  // than once for the same tree when it is in no index.
  virtual Result<void> unreadable(const BlobId& tree, const Error& error) = 0;
};

// Trees whose first position is in `seen` are passed over; the others are added. Errors: those of
// the visitor, interrupted, and those of the store that are not damage.
// REQUIRES: the index was loaded, and `seen` made for its loaded_count().
Result<void> walk_trees(const Repository& repository, std::span<const BlobId> roots,
                        PositionSet& seen, TreeVisitor& visitor);

}  // namespace holdfast::repo
