#include "catalog/recorded_segments.hpp"

#include <algorithm>

namespace holdfast::catalog {

bool has_tag(const repo::Snapshot& snapshot, std::string_view tag) {
  return std::find(snapshot.tags.begin(), snapshot.tags.end(), tag) != snapshot.tags.end();
}

Result<RecordedSegments> RecordedSegments::find(const repo::Repository& repository,
                                                const std::vector<repo::StoredSnapshot>& snapshots,
                                                std::string_view dataset) {
  RecordedSegments recorded(repository);
  const std::string wanted = dataset::dataset_tag(dataset);
  for (const repo::StoredSnapshot& stored : snapshots) {
    const bool is_ours =
        has_tag(stored.snapshot, wanted) && has_tag(stored.snapshot, dataset::segments_tag);
    if (is_ours) TRY(recorded.add(stored));
  }
  recorded.sort();
  return recorded;
}

Result<void> RecordedSegments::add(const repo::StoredSnapshot& stored) {
  const std::string id = stored.id.hex();
  const auto files = files_.try_emplace(id, *repository_, stored.snapshot.tree).first;
  const Bytes json =
      TRY(files->second.read(dataset::segments_path, dataset::segments_json_bytes_max)
              .while_doing("reading snapshot " + stored.id.short_hex()));
  const auto facts = TRY(dataset::decode_segments(as_text(json)));
  for (const oplog::SegmentFacts& each : facts) segments_.push_back({each, id});
  return {};
}

void RecordedSegments::sort() {
  segments_ = dataset::sort_segments(std::move(segments_));
}

std::vector<oplog::SegmentFacts> RecordedSegments::facts() const {
  std::vector<oplog::SegmentFacts> facts;
  facts.reserve(segments_.size());
  for (const dataset::StoredSegment& stored : segments_) facts.push_back(stored.facts);
  return facts;
}

Result<Bytes> RecordedSegments::load(const dataset::StoredSegment& segment) {
  return files_.at(segment.snapshot)
      .read(dataset::segment_path(segment.facts), dataset::segment_bytes_limit);
}

Result<Bytes> RecordedSegments::load(const oplog::SegmentFacts& facts) {
  const auto from = std::lower_bound(segments_.begin(), segments_.end(), facts.first.ts,
                                     [](const dataset::StoredSegment& stored, oplog::Timestamp ts) {
                                       return stored.facts.first.ts < ts;
                                     });
  const auto found = std::find_if(from, segments_.end(), [&](const dataset::StoredSegment& stored) {
    return stored.facts == facts;
  });
  if (found == segments_.end())
    return fail(ErrorCode::not_found, dataset::segment_path(facts) + " is not recorded");
  return load(*found);
}

}  // namespace holdfast::catalog
