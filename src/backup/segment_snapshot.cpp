#include "backup/segment_snapshot.hpp"

namespace holdfast::backup {

Result<void> SegmentSnapshot::add(const oplog::SegmentFacts& facts, ByteView entries) {
  TRY(snapshot_.add_text(dataset::segment_path(facts), entries));
  segments_.push_back(facts);
  return {};
}

void SegmentSnapshot::add_stored(const oplog::SegmentFacts& facts,
                                 std::vector<repo::BlobId> content) {
  snapshot_.tree().add_file(dataset::segment_path(facts), std::move(content), facts.byte_count);
  segments_.push_back(facts);
}

Result<std::optional<repo::SnapshotId>> SegmentSnapshot::publish() {
  if (segments_.empty()) return std::optional<repo::SnapshotId>();
  TRY(snapshot_.add_text(dataset::segments_path,
                         as_bytes(dataset::encode_segments(dataset_, segments_))));
  snapshot_.add_moment_tag("from", segments_.front().first.ts);
  snapshot_.add_moment_tag("to", segments_.back().last.ts);
  const auto id = TRY(snapshot_.publish());
  return std::optional<repo::SnapshotId>(id);
}

}  // namespace holdfast::backup
