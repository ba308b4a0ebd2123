#pragma once
// The parent snapshot, walked beside the file system: for each entry found, what was stored then.
#include <optional>
#include <string_view>
#include <vector>

#include "repo/blob_reader.hpp"
#include "repo/tree.hpp"

namespace holdfast::backup {

// The newest readable snapshot of this host that has all these paths and is not later than `time`.
const repo::StoredSnapshot* choose_parent(const std::vector<repo::StoredSnapshot>& snapshots,
                                          std::string_view hostname,
                                          const std::vector<std::string>& paths, WallTime time);

// One thread. Holds one tree blob for each directory on the way down.
class ParentTree {
 public:
  // Without a snapshot nothing is ever found.
  ParentTree(const repo::Repository& repository, const repo::StoredSnapshot* snapshot);

  // The walk goes into a directory and out again; the root is entered first. A tree that can not
  // be loaded counts as empty: its files are read again. `previous` is what find() said of it.
  void enter(const repo::Node* previous);
  void leave();

  // Names are asked for in ascending order within a directory. Valid, and the caller's to change,
  // until the next call.
  repo::Node* find(std::string_view name);

 private:
  struct Level {
    Bytes blob;
    std::optional<repo::TreeReader> reader;
    repo::Node node;
    bool has_node = false;
    void advance();
  };

  void open(Level& level, const repo::BlobId& tree);

  const repo::Repository& repository_;
  repo::BlobReader reader_;
  std::optional<repo::BlobId> root_;
  std::vector<std::unique_ptr<Level>> levels_;
};

}  // namespace holdfast::backup
