#pragma once
// Storing pieces of oplog: each becomes a file of a companion snapshot (docs/mongodump_format.md
// 4).
#include "catalog/dataset_snapshot.hpp"
#include "oplog/segment.hpp"

namespace holdfast::backup {

// One thread. add() what is new, in order of time, then publish() once.
class SegmentSnapshot {
 public:
  SegmentSnapshot(const repo::Repository& repository, repo::Writer& writer,
                  const catalog::DatasetLabel& label)
      : dataset_(label.dataset), snapshot_(repository, writer, label, dataset::segments_tag) {}

  Result<void> add(const oplog::SegmentFacts& facts, ByteView entries);
  const std::vector<oplog::SegmentFacts>& segments() const { return segments_; }

  // Nothing when nothing was added.
  Result<std::optional<repo::SnapshotId>> publish();

 private:
  std::string dataset_;
  catalog::DatasetSnapshot snapshot_;
  std::vector<oplog::SegmentFacts> segments_;
};

}  // namespace holdfast::backup
