#pragma once
// The recorded oplog of a dataset: which segments there are, in which snapshots, and their bytes.
#include <map>

#include "dataset/mongo_manifest.hpp"
#include "dataset/mongo_segments.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::catalog {

// Tags of a snapshot.
bool has_tag(const repo::Snapshot& snapshot, std::string_view tag);

// One thread; movable. The repository must outlive it, with its index loaded.
class RecordedSegments {
 public:
  explicit RecordedSegments(const repo::Repository& repository) : repository_(&repository) {}

  // Those of one dataset. Errors: those of reading; they name the snapshot.
  static Result<RecordedSegments> find(const repo::Repository& repository,
                                       const std::vector<repo::StoredSnapshot>& snapshots,
                                       std::string_view dataset);

  // Reads the list of one snapshot; then sort().
  Result<void> add(const repo::StoredSnapshot& stored);
  void sort();

  // As dataset::sort_segments gives them.
  const std::vector<dataset::StoredSegment>& segments() const { return segments_; }
  std::vector<oplog::SegmentFacts> facts() const;

  Result<Bytes> load(const dataset::StoredSegment& segment);
  // Error: not_found.
  Result<Bytes> load(const oplog::SegmentFacts& facts);

 private:
  const repo::Repository* repository_;
  std::map<std::string, repo::SnapshotFiles> files_;  // by snapshot
  std::vector<dataset::StoredSegment> segments_;
};

}  // namespace holdfast::catalog
