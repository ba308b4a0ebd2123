#pragma once
// Walks the tree of a snapshot from the top, in the order of names: for restore, list, find.
// Everything read is foreign: names that could lead elsewhere are reported, not passed on.
#include <string>
#include <string_view>

#include "repo/blob_reader.hpp"
#include "repo/tree.hpp"

namespace holdfast::recover {

constexpr std::size_t tree_depth_max = 4000;

// Where an entry stands in the snapshot: components with slashes between, none at the beginning.
struct SnapshotPath {
  std::string_view path;
  std::size_t depth = 0;
};

class SnapshotVisitor {
 public:
  virtual ~SnapshotVisitor() = default;
  enum class Descend : std::uint8_t { no, yes };
  virtual Result<Descend> enter(const SnapshotPath& at, const repo::Node& directory) = 0;
  // After the last entry of a directory that was descended into.
  virtual Result<void> leave(const SnapshotPath& at, const repo::Node& directory) = 0;
  virtual Result<void> entry(const SnapshotPath& at, const repo::Node& node) = 0;
  // A tree that can not be read, an unsafe or repeated name. The walk goes on without it.
  virtual Result<void> broken(const SnapshotPath& at, const Error& error) = 0;
};

// The visitor's error ends the walk; so does `interrupted`.
Result<void> walk_snapshot_tree(const repo::Repository& repository, const repo::BlobId& tree,
                                SnapshotVisitor& visitor);

// "SNAPSHOT" or "SNAPSHOT:path/inside".
struct SnapshotPlace {
  std::string snapshot;
  std::string path;  // cleaned, without slashes at its ends; empty: the root
};
SnapshotPlace parse_snapshot_place(std::string_view text);

// The node at a path of a snapshot's tree. Errors: not_found (names the first missing component).
Result<repo::Node> find_node(const repo::Repository& repository, const repo::BlobId& tree,
                             std::string_view path);

}  // namespace holdfast::recover
