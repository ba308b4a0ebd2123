#include "backup/roll_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace holdfast::backup {

namespace {

using Run = std::vector<Companion>;

bool continues(const oplog::SegmentFacts& segment, const oplog::SegmentFacts& before) {
  return segment.previous == before.last && segment.previous_entry == before.last_entry;
}

bool is_small(const Companion& companion) {
  if (companion.segments.size() >= roll_up_segments_max) return false;
  for (std::size_t at = 1; at < companion.segments.size(); ++at)
    if (!continues(companion.segments[at], companion.segments[at - 1])) return false;
  return true;
}

// Companions all of whose entries others hold as well.
std::vector<Companion> superseded(const StreamChain& chain) {
  std::vector<dataset::StoredSegment> all;
  for (const Companion& companion : chain.companions())
    for (const auto& facts : companion.segments) all.push_back({facts, companion.stored.id.hex()});
  std::set<std::string> needed;
  for (const auto& stored : dataset::without_covered(dataset::sort_segments(std::move(all))))
    needed.insert(stored.snapshot);
  std::vector<Companion> found;
  for (const Companion& companion : chain.companions())
    if (!needed.contains(companion.stored.id.hex())) found.push_back(companion);
  return found;
}

std::vector<Run> runs_of(const StreamChain& chain) {
  std::vector<Run> runs;
  for (const Companion& companion : chain.companions()) {
    if (!is_small(companion)) {
      runs.emplace_back();
      continue;
    }
    const bool begins = runs.empty() || runs.back().empty() ||
                        !continues(companion.segments.front(), runs.back().back().segments.back());
    if (begins) runs.emplace_back();
    runs.back().push_back(companion);
  }
  return runs;
}

// Fills the new companion. One thread.
class Merge {
 public:
  Merge(const StreamChain& chain, SegmentSnapshot& to, repo::Writer& writer)
      : chain_(chain), to_(to), writer_(writer) {}

  Result<void> add(const oplog::SegmentFacts& facts) {
    if (facts.byte_count > roll_up_segment_bytes) {
      TRY(flush());
      return add_recorded(facts, chain_, to_, writer_);
    }
    if (bytes_.size() + facts.byte_count > dataset::segment_bytes_max) TRY(flush());
    const Bytes segment = TRY(chain_.load(facts));
    append(bytes_, segment);
    parts_.push_back(facts);
    return {};
  }

  Result<void> flush() {
    if (parts_.empty()) return {};
    oplog::SegmentFacts facts = parts_.front();
    if (parts_.size() > 1) facts = TRY(merged_facts());
    TRY(to_.add(facts, bytes_));
    parts_.clear();
    bytes_.clear();
    return {};
  }

 private:
  // Transactions that began before these parts are known to the parts alone.
  Result<oplog::SegmentFacts> merged_facts() const {
    oplog::SegmentFacts before;
    before.last = parts_.front().previous;
    before.last_entry = parts_.front().previous_entry;
    oplog::SegmentScan scan(before.last_entry.is_null() ? nullptr : &before);
    TRY(dataset::scan_behind(bytes_, {}, scan));
    oplog::SegmentFacts merged = scan.finish();
    merged.oldest_open = parts_.back().oldest_open;
    const bool fits =
        merged.first == parts_.front().first && merged.last_entry == parts_.back().last_entry;
    if (!fits)
      return fail(ErrorCode::corrupt, fmt::format("segments from {} on do not fit together",
                                                  oplog::to_text(merged.first.ts)));
    return merged;
  }

  const StreamChain& chain_;
  SegmentSnapshot& to_;
  repo::Writer& writer_;
  std::vector<oplog::SegmentFacts> parts_;
  Bytes bytes_;
};

Result<void> remove_companion(StreamPublisher& publisher, const Companion& companion) {
  return publisher.insist("removing a companion that was rolled up", [&]() -> Result<void> {
    auto removed = publisher.repository().remove_snapshot(companion.stored.id);
    if (!removed.has_value() && removed.error().code == ErrorCode::not_found) return {};
    return removed;
  });
}

// Whether the companions that stay hold these entries with these bytes.
Result<bool> is_held_elsewhere(const StreamChain& chain, const oplog::SegmentFacts& facts,
                               const std::vector<oplog::SegmentFacts>& others) {
  Bytes held;
  oplog::Timestamp end;
  for (const oplog::SegmentFacts& other : others) {
    if (other.last.ts < facts.first.ts || facts.last.ts < other.first.ts) continue;
    const Bytes bytes = TRY(chain.load(other));
    dataset::BsonBytes entries(bytes, "segment");
    while (true) {
      const auto entry = TRY(entries.next());
      if (!entry) break;
      const oplog::OpTime time = TRY(oplog::optime_of(*entry));
      if (time.ts <= end || time.ts < facts.first.ts || facts.last.ts < time.ts) continue;
      append(held, *entry);
      end = time.ts;
    }
    if (held.size() > facts.byte_count) return false;
  }
  return oplog::hash_of(held) == facts.content;
}

Result<std::size_t> remove_superseded(StreamChain& chain, StreamPublisher& publisher) {
  const auto gone = superseded(chain);
  if (gone.empty()) return std::size_t{0};
  std::set<repo::SnapshotId> ids;
  for (const Companion& companion : gone) ids.insert(companion.stored.id);
  std::vector<oplog::SegmentFacts> others;
  for (const Companion& companion : chain.companions())
    if (!ids.contains(companion.stored.id))
      others.insert(others.end(), companion.segments.begin(), companion.segments.end());
  std::size_t count = 0;
  for (const Companion& companion : gone) {
    bool is_held = true;
    for (const oplog::SegmentFacts& facts : companion.segments) {
      const bool is_this_held = TRY(is_held_elsewhere(chain, facts, others));
      is_held = is_held && is_this_held;
    }
    if (!is_held) continue;
    TRY(remove_companion(publisher, companion));
    ++count;
  }
  return count;
}

Result<void> replace(const Run& run, StreamChain& chain, StreamPublisher& publisher) {
  const auto fill = [&](SegmentSnapshot& to, repo::Writer& writer) -> Result<void> {
    Merge merge(chain, to, writer);
    for (const Companion& companion : run)
      for (const auto& facts : companion.segments) TRY(merge.add(facts));
    return merge.flush();
  };
  TRY(publisher.publish(dataset::segments_tag, fill));
  for (const Companion& companion : run) TRY(remove_companion(publisher, companion));
  return {};
}

}  // namespace

Result<RollUpCounts> roll_up(StreamChain& chain, StreamPublisher& publisher,
                             std::size_t count_max) {
  TRY(chain.reload());
  RollUpCounts counts;
  counts.companions_superseded = TRY(remove_superseded(chain, publisher));
  if (counts.companions_superseded > 0) TRY(chain.reload());
  for (const Run& run : runs_of(chain)) {
    if (run.size() <= count_max || run.size() < 2) continue;
    TRY(replace(run, chain, publisher));
    counts.companions_replaced += run.size();
    ++counts.companions_made;
  }
  if (counts.companions_made > 0) TRY(chain.reload());
  return counts;
}

}  // namespace holdfast::backup
