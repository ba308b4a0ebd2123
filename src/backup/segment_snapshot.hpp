#pragma once
// Storing pieces of oplog: each becomes a file of a companion snapshot (docs/mongodump_format.md
// 4).
#include "catalog/dataset_snapshot.hpp"
#include "dataset/mongo_segments.hpp"
#include "oplog/segment.hpp"

namespace holdfast::backup {

// One thread. add() what is new, in order of time, then publish() once.
class SegmentSnapshot {
 public:
  // `kind`: history that is used, or dataset::diverged_tag.
  SegmentSnapshot(const repo::Repository& repository, repo::Writer& writer,
                  const catalog::DatasetLabel& label, std::string_view kind = dataset::segments_tag)
      : dataset_(label.dataset), snapshot_(repository, writer, label, kind) {}

  Result<void> add(const oplog::SegmentFacts& facts, ByteView entries);
  // One that the repository has already. REQUIRES: the Writer was told that its blobs are reused.
  void add_stored(const oplog::SegmentFacts& facts, std::vector<repo::BlobId> content);
  const std::vector<oplog::SegmentFacts>& segments() const { return segments_; }

  // Nothing when nothing was added.
  Result<std::optional<repo::SnapshotId>> publish();
  // REQUIRES: publish() published.
  const repo::Snapshot& snapshot() const { return snapshot_.snapshot(); }

 private:
  std::string dataset_;
  catalog::DatasetSnapshot snapshot_;
  std::vector<oplog::SegmentFacts> segments_;
};

}  // namespace holdfast::backup
