#pragma once
// Making the snapshots of a database: a tree of files that exist nowhere else, labelled so that
// they are found again by dataset and kind (docs/mongodump_format.md 3 and 4).
#include <optional>

#include "catalog/database_tree.hpp"
#include "catalog/snapshot_author.hpp"
#include "dataset/mongo_manifest.hpp"
#include "oplog/order.hpp"

namespace holdfast::catalog {

// What the snapshots of one run have in common.
struct DatasetLabel {
  std::string dataset;
  SnapshotAuthor author;
  std::vector<std::string> tags;
  WallTime start{};  // of the run, by our clock; the snapshot's time
};

// One snapshot being made. One thread. Add files to tree(), then publish() once.
class DatasetSnapshot {
 public:
  // `kind`: base_tag, segments_tag, … Its path is /mongodb/NAME, companions have a folder below.
  DatasetSnapshot(const repo::Repository& repository, repo::Writer& writer,
                  const DatasetLabel& label, std::string_view kind);

  DatabaseTree& tree() { return tree_; }
  Result<void> add_text(std::string_view path, ByteView text) {
    return tree_.add_text(writer_, path, text);
  }
  void add_tags(const std::vector<std::string>& tags);
  // "from=SECONDS.ORDINAL": what prune reads.
  void add_moment_tag(std::string_view name, oplog::Timestamp at);

  // Stores the tree, then publishes: the commit point.
  Result<repo::SnapshotId> publish();
  const repo::SnapshotSummary& summary() const { return summary_; }  // after publish()
  const repo::Snapshot& snapshot() const { return snapshot_; }       // complete after publish()

 private:
  repo::SnapshotSummary make_summary() const;

  const repo::Repository& repository_;
  repo::Writer& writer_;
  WallTime start_;
  DatabaseTree tree_;
  repo::Snapshot snapshot_;
  repo::SnapshotSummary summary_;
};

}  // namespace holdfast::catalog
