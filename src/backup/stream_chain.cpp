#include "backup/stream_chain.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::backup {

namespace {

bool is_behind(const oplog::SegmentFacts& segment, const oplog::SegmentFacts& before) {
  const bool names_it =
      segment.previous == before.last && segment.previous_entry == before.last_entry;
  return names_it || segment.first.ts <= before.last.ts;
}

}  // namespace

Result<std::vector<dataset::SeenEntry>> seen_entries_of(ByteView entries) {
  std::vector<dataset::SeenEntry> seen;
  dataset::BsonBytes documents(entries, "segment");
  while (true) {
    const auto entry = TRY(documents.next());
    if (!entry) return seen;
    const auto each = TRY(dataset::seen_entry_of(*entry));
    seen.push_back(each);
  }
}

// Nothing changes before all of it was read.
Result<void> StreamChain::reload() {
  const auto snapshots = TRY(repository_.snapshots());
  TRY(repository_.load_index());
  std::vector<Companion> companions;
  std::vector<TimedBase> bases;
  const std::string wanted = dataset::dataset_tag(dataset_);
  for (const repo::StoredSnapshot& stored : snapshots) {
    if (!catalog::has_tag(stored.snapshot, wanted)) continue;
    if (catalog::has_tag(stored.snapshot, dataset::base_tag)) {
      const auto window = TRY(window_of(stored));
      if (window) bases.push_back({stored, *window});
    } else if (catalog::has_tag(stored.snapshot, dataset::segments_tag)) {
      auto segments = TRY(segments_of(stored));
      if (!segments.empty()) companions.push_back({stored, std::move(segments)});
    }
  }
  std::stable_sort(companions.begin(), companions.end(), [](const auto& left, const auto& right) {
    return left.segments.front().first.ts < right.segments.front().first.ts;
  });
  std::vector<dataset::StoredSegment> all;
  for (const Companion& companion : companions)
    for (const auto& facts : companion.segments) all.push_back({facts, {}});
  std::vector<oplog::SegmentFacts> sorted;
  for (const auto& stored : dataset::sort_segments(std::move(all))) sorted.push_back(stored.facts);
  const auto timeline = TRY(oplog::Timeline::make(std::move(sorted)));
  companions_ = std::move(companions);
  bases_ = std::move(bases);
  chain_.clear();
  if (!timeline.chains().empty()) chain_ = timeline.chains().back().segments;
  server_ = catalog::recorded_identity(snapshots, dataset_);
  return {};
}

Result<std::vector<oplog::SegmentFacts>> StreamChain::segments_of(
    const repo::StoredSnapshot& stored) const {
  for (const Companion& companion : companions_)
    if (companion.stored.id == stored.id) return companion.segments;
  catalog::RecordedSegments recorded(repository_);
  TRY(recorded.add(stored));
  recorded.sort();
  return recorded.facts();
}

Result<std::optional<oplog::BaseWindow>> StreamChain::window_of(
    const repo::StoredSnapshot& stored) const {
  for (const TimedBase& base : bases_)
    if (base.stored.id == stored.id) return std::optional(base.window);
  repo::SnapshotFiles files(repository_, stored.snapshot.tree);
  const auto node =
      TRY(files.find(dataset::window_path).while_doing("reading " + stored.id.short_hex()));
  if (!node) return std::optional<oplog::BaseWindow>();
  const Bytes json = TRY(files.read(dataset::window_path, dataset::window_bytes_max));
  const oplog::BaseWindow window = TRY(dataset::decode_window(as_text(json)));
  return std::optional(window);
}

std::optional<dataset::SeenEntry> StreamChain::last() const {
  if (chain_.empty()) return std::nullopt;
  return dataset::SeenEntry{chain_.back().last, chain_.back().last_entry};
}

bool StreamChain::serves_a_base() const {
  const auto timeline = oplog::Timeline::make(chain_);
  if (!timeline.has_value()) return false;
  std::vector<oplog::BaseWindow> windows;
  for (const TimedBase& base : bases_) windows.push_back(base.window);
  const auto recoverable = timeline->recoverable(windows);
  return std::any_of(recoverable.begin(), recoverable.end(),
                     [](const auto& window) { return window.chain != oplog::Recoverable::npos; });
}

std::optional<oplog::Timestamp> StreamChain::start_of_newest_base() const {
  const auto newest = std::max_element(
      bases_.begin(), bases_.end(),
      [](const auto& left, const auto& right) { return left.window.last < right.window.last; });
  if (newest == bases_.end()) return std::nullopt;
  return newest->window.kind == oplog::BaseKind::fuzzy ? newest->window.first : newest->window.last;
}

void StreamChain::add(Companion companion) {
  for (const oplog::SegmentFacts& facts : companion.segments) {
    if (!chain_.empty() && !is_behind(facts, chain_.back())) chain_.clear();
    chain_.push_back(facts);
  }
  companions_.push_back(std::move(companion));
}

Result<const Companion*> StreamChain::companion_with(const oplog::SegmentFacts& facts) const {
  for (const Companion& companion : companions_) {
    const auto& segments = companion.segments;
    const bool is_outside =
        segments.back().last.ts < facts.first.ts || facts.last.ts < segments.front().first.ts;
    if (!is_outside && std::find(segments.begin(), segments.end(), facts) != segments.end())
      return &companion;
  }
  return fail(ErrorCode::not_found, dataset::segment_path(facts) + " is not recorded");
}

Result<Bytes> StreamChain::load(const oplog::SegmentFacts& facts) const {
  const Companion* companion = TRY(companion_with(facts));
  repo::SnapshotFiles files(repository_, companion->stored.snapshot.tree);
  const std::string path = dataset::segment_path(facts);
  Bytes bytes = TRY(files.read(path, dataset::segment_bytes_limit));
  if (oplog::hash_of(bytes) != facts.content)
    return fail(ErrorCode::corrupt, path + " is not what its list says");
  return bytes;
}

Result<std::vector<repo::BlobId>> StreamChain::content_of(const oplog::SegmentFacts& facts) const {
  const Companion* companion = TRY(companion_with(facts));
  repo::SnapshotFiles files(repository_, companion->stored.snapshot.tree);
  const std::string path = dataset::segment_path(facts);
  const auto node = TRY(files.find(path));
  if (!node) return fail(ErrorCode::corrupt, path + " is listed and not there");
  return node->content;
}

Result<oplog::SegmentScan> StreamChain::scan_after(std::size_t segment) const {
  const oplog::Timestamp open = chain_[segment].oldest_open;
  if (open == oplog::Timestamp{}) return oplog::SegmentScan(&chain_[segment]);
  std::size_t start = segment;
  while (start > 0 && chain_[start].first.ts > open) --start;
  oplog::SegmentScan scan;
  for (std::size_t at = start; at <= segment; ++at) {
    const Bytes bytes = TRY(load(chain_[at]));
    const oplog::Timestamp behind = at == start ? oplog::Timestamp{} : chain_[at - 1].last.ts;
    TRY(dataset::scan_behind(bytes, behind, scan));
  }
  scan.finish();
  return scan.next();
}

Result<oplog::SegmentScan> StreamChain::scan_at_end() const {
  if (chain_.empty()) return oplog::SegmentScan();
  return scan_after(chain_.size() - 1);
}

std::size_t StreamChain::piece_count() const {
  return chain_.size() + (has_pending() ? 1 : 0);
}

dataset::SeenEntry StreamChain::last_of(std::size_t piece) const {
  if (piece < chain_.size()) return {chain_[piece].last, chain_[piece].last_entry};
  dataset::BsonBytes documents(*pending_, "pending entries");
  ByteView last;
  while (true) {
    const auto entry = documents.next();
    if (!entry.has_value() || !*entry) break;
    last = **entry;
  }
  return dataset::seen_entry_of(last).value_or(dataset::SeenEntry{});
}

Result<std::vector<dataset::SeenEntry>> StreamChain::entries_of(std::size_t piece) {
  if (piece == chain_.size()) return seen_entries_of(*pending_);
  const Bytes bytes = TRY(load(chain_[piece]));
  return seen_entries_of(bytes);
}

}  // namespace holdfast::backup
