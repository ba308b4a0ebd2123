#include "catalog/mongo_points.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::catalog {

Result<MongoPoints> MongoPoints::load(const repo::Repository& repository,
                                      const std::vector<repo::StoredSnapshot>& snapshots,
                                      std::string_view dataset) {
  MongoPoints points(repository);
  const std::string wanted = dataset::dataset_tag(dataset);
  for (const repo::StoredSnapshot& stored : snapshots) {
    if (!has_tag(stored.snapshot, wanted)) continue;
    const std::string doing = "reading snapshot " + stored.id.short_hex();
    if (has_tag(stored.snapshot, dataset::base_tag))
      TRY(points.add_base(stored).while_doing(doing));
    else if (has_tag(stored.snapshot, dataset::segments_tag))
      TRY(points.segments_.add(stored));
  }
  if (points.bases_.empty() && points.timeless_.empty() && points.segments_.segments().empty())
    return fail(ErrorCode::not_found, fmt::format("there is no database dataset '{}'", dataset));
  TRY(points.join());
  return points;
}

Result<void> MongoPoints::add_base(const repo::StoredSnapshot& stored) {
  repo::SnapshotFiles files(*repository_, stored.snapshot.tree);
  const auto node = TRY(files.find(dataset::window_path));
  if (!node) {
    timeless_.push_back(stored);
    return {};
  }
  const Bytes json = TRY(files.read(dataset::window_path, dataset::window_bytes_max));
  const oplog::BaseWindow window = TRY(dataset::decode_window(as_text(json)));
  bases_.push_back({stored, window});
  return {};
}

Result<void> MongoPoints::join() {
  segments_.sort();
  timeline_ = TRY(oplog::Timeline::make(segments_.facts()));
  return {};
}

std::vector<oplog::BaseWindow> MongoPoints::windows() const {
  std::vector<oplog::BaseWindow> windows;
  for (const MongoBase& base : bases_) windows.push_back(base.window);
  return windows;
}

Result<std::optional<ByteView>> SegmentEntries::next() {
  while (true) {
    if (entries_) {
      const auto entry = TRY(entries_->next());
      if (entry) return entry;
      entries_.reset();
    }
    if (at_ == chain_.segments.size()) return std::optional<ByteView>();
    const oplog::SegmentFacts& facts = chain_.segments[at_];
    bytes_ = TRY(points_.load_segment(facts));
    entries_.emplace(bytes_, dataset::segment_path(facts));
    const bool overlaps = at_ > first_ && facts.first.ts <= chain_.segments[at_ - 1].last.ts;
    if (overlaps) TRY(skip_overlap(chain_.segments[at_ - 1]));
    ++at_;
  }
}

// Two captures at the same time hold the same entries, or one of them holds rolled-back ones.
Result<void> SegmentEntries::skip_overlap(const oplog::SegmentFacts& before) {
  while (true) {
    const auto entry = TRY(entries_->next());
    if (!entry) break;
    const oplog::OpTime time = TRY(oplog::optime_of(*entry));
    if (time.ts < before.last.ts) continue;
    if (time == before.last && oplog::hash_of(*entry) == before.last_entry) return {};
    break;
  }
  return fail(
      ErrorCode::conflict,
      fmt::format("{} contradicts the segment that ends at {}: one of the two was rolled "
                  "back",
                  dataset::segment_path(chain_.segments[at_]), oplog::to_text(before.last.ts)));
}

Result<void> SegmentEntries::rewind() {
  at_ = first_;
  entries_.reset();
  return {};
}

}  // namespace holdfast::catalog
