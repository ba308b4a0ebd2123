#include "catalog/mongo_points.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::catalog {

namespace {

bool has_tag(const repo::Snapshot& snapshot, std::string_view tag) {
  return std::find(snapshot.tags.begin(), snapshot.tags.end(), tag) != snapshot.tags.end();
}

}  // namespace

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
      TRY(points.add_segments(stored).while_doing(doing));
  }
  if (points.bases_.empty() && points.timeless_.empty() && points.segments_.empty())
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

Result<void> MongoPoints::add_segments(const repo::StoredSnapshot& stored) {
  const std::string id = stored.id.hex();
  const auto files = segment_files_.try_emplace(id, *repository_, stored.snapshot.tree).first;
  const Bytes json =
      TRY(files->second.read(dataset::segments_path, dataset::segments_json_bytes_max));
  const auto facts = TRY(dataset::decode_segments(as_text(json)));
  for (const oplog::SegmentFacts& each : facts) segments_.push_back({each, id});
  return {};
}

Result<void> MongoPoints::join() {
  segments_ = dataset::sort_segments(std::move(segments_));
  std::vector<oplog::SegmentFacts> facts;
  for (const dataset::StoredSegment& stored : segments_) facts.push_back(stored.facts);
  timeline_ = TRY(oplog::Timeline::make(std::move(facts)));
  return {};
}

std::vector<oplog::BaseWindow> MongoPoints::windows() const {
  std::vector<oplog::BaseWindow> windows;
  for (const MongoBase& base : bases_) windows.push_back(base.window);
  return windows;
}

Result<Bytes> MongoPoints::load_segment(const oplog::SegmentFacts& facts) {
  const auto from = std::lower_bound(segments_.begin(), segments_.end(), facts.first.ts,
                                     [](const dataset::StoredSegment& stored, oplog::Timestamp ts) {
                                       return stored.facts.first.ts < ts;
                                     });
  const auto found = std::find_if(from, segments_.end(), [&](const dataset::StoredSegment& stored) {
    return stored.facts == facts;
  });
  if (found == segments_.end())
    return fail(ErrorCode::not_found, dataset::segment_path(facts) + " is not recorded");
  return segment_files_.at(found->snapshot)
      .read(dataset::segment_path(facts), dataset::segment_bytes_limit);
}

Result<std::optional<ByteView>> SegmentEntries::next() {
  while (true) {
    if (entries_) {
      const auto entry = TRY(entries_->next());
      if (entry) return entry;
      entries_.reset();
    }
    if (at_ == chain_.segments.size()) return std::optional<ByteView>();
    const oplog::SegmentFacts& facts = chain_.segments[at_++];
    bytes_ = TRY(points_.load_segment(facts));
    entries_.emplace(bytes_, dataset::segment_path(facts));
  }
}

Result<void> SegmentEntries::rewind() {
  at_ = first_;
  entries_.reset();
  return {};
}

}  // namespace holdfast::catalog
