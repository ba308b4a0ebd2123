#pragma once
// What a repository holds of one database: bases with and without a time, and the recorded oplog.
#include <map>

#include "catalog/mongo_moment.hpp"
#include "catalog/recorded_segments.hpp"
#include "dataset/mongo_manifest.hpp"
#include "oplog/materialise.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::catalog {

struct MongoBase {
  repo::StoredSnapshot stored;
  oplog::BaseWindow window;  // only for bases with a time
};

// One thread. The repository must outlive it, with its index loaded.
class MongoPoints {
 public:
  // Errors: not_found (nothing of that name), conflict (recorded segments contradict each other),
  // those of reading.
  static Result<MongoPoints> load(const repo::Repository& repository,
                                  const std::vector<repo::StoredSnapshot>& snapshots,
                                  std::string_view dataset);

  const oplog::Timeline& timeline() const { return timeline_; }
  // Oldest first; the order in which windows() numbers them.
  const std::vector<MongoBase>& bases() const { return bases_; }
  std::vector<oplog::BaseWindow> windows() const;
  // Bases that do not know when they were made; oldest first.
  const std::vector<repo::StoredSnapshot>& timeless() const { return timeless_; }

  Result<Bytes> load_segment(const oplog::SegmentFacts& facts) { return segments_.load(facts); }

 private:
  explicit MongoPoints(const repo::Repository& repository)
      : repository_(&repository), segments_(repository) {}
  Result<void> add_base(const repo::StoredSnapshot& stored);
  Result<void> join();

  const repo::Repository* repository_;
  std::vector<MongoBase> bases_;
  std::vector<repo::StoredSnapshot> timeless_;
  RecordedSegments segments_;
  oplog::Timeline timeline_;
};

// The entries of consecutive segments of a chain. One thread; refers to the points.
class SegmentEntries final : public oplog::EntrySource {
 public:
  // Segments from number `first` on.
  SegmentEntries(MongoPoints& points, const oplog::Chain& chain, std::size_t first)
      : points_(points), chain_(chain), first_(first), at_(first) {}

  Result<std::optional<ByteView>> next() override;
  Result<void> rewind() override;

 private:
  Result<void> skip_overlap(const oplog::SegmentFacts& before);

  MongoPoints& points_;
  const oplog::Chain& chain_;
  std::size_t first_;
  std::size_t at_;
  Bytes bytes_;
  std::optional<dataset::BsonBytes> entries_;
};

// For a base's own moment, when no oplog is needed.
class NoEntries final : public oplog::EntrySource {
 public:
  Result<std::optional<ByteView>> next() override { return std::optional<ByteView>(); }
  Result<void> rewind() override { return {}; }
};

}  // namespace holdfast::catalog
