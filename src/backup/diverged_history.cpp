#include "backup/diverged_history.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::backup {

namespace {

bool is_false(const oplog::SegmentFacts& facts, oplog::Timestamp false_from) {
  return facts.last.ts >= false_from;
}

class PuttingAside {
 public:
  PuttingAside(StreamChain& chain, StreamPublisher& publisher, oplog::Timestamp false_from)
      : chain_(chain), publisher_(publisher), false_from_(false_from) {}

  Result<DivergedCounts> run() {
    TRY(chain_.reload());
    TRY(put_bases_aside());
    for (const Companion& companion : chain_.companions()) {
      const bool is_affected = std::any_of(
          companion.segments.begin(), companion.segments.end(),
          [this](const oplog::SegmentFacts& facts) { return is_false(facts, false_from_); });
      if (is_affected) affected_.push_back(companion);
    }
    if (!affected_.empty()) TRY(replace_companions());
    TRY(chain_.reload());
    return counts_;
  }

 private:
  Result<void> put_bases_aside() {
    for (const TimedBase& base : chain_.bases()) {
      if (base.window.last < false_from_) continue;
      TRY(publisher_.insist("putting a base aside", [&] { return put_aside(base); }));
      ++counts_.bases;
    }
    return {};
  }

  // The same tree under other tags and another path, so that it is no member of the base's group.
  Result<void> put_aside(const TimedBase& base) {
    repo::Snapshot aside = base.stored.snapshot;
    std::erase(aside.tags, std::string(dataset::base_tag));
    aside.tags.emplace_back(dataset::diverged_base_tag);
    for (std::string& path : aside.paths) path += "/diverged-base";
    if (!aside.original) aside.original = base.stored.id;
    TRY(publisher_.repository().publish_snapshot(aside));
    return remove(base.stored.id);
  }

  Result<void> remove(const repo::SnapshotId& id) {
    auto removed = publisher_.repository().remove_snapshot(id);
    if (!removed.has_value() && removed.error().code == ErrorCode::not_found) return {};
    return removed;
  }

  Result<void> replace_companions() {
    TRY(publisher_.publish(
        dataset::diverged_tag,
        [this](SegmentSnapshot& to, repo::Writer& writer) { return fill_false(to, writer); }));
    TRY(publisher_.publish(
        dataset::segments_tag,
        [this](SegmentSnapshot& to, repo::Writer& writer) { return fill_true(to, writer); }));
    std::stable_sort(affected_.begin(), affected_.end(), [](const auto& left, const auto& right) {
      return left.segments.back().last.ts > right.segments.back().last.ts;
    });
    for (const Companion& companion : affected_)
      TRY(publisher_.insist("removing diverged history",
                            [&] { return remove(companion.stored.id); }));
    return {};
  }

  Result<void> fill_false(SegmentSnapshot& to, repo::Writer& writer) {
    counts_.segments = 0;
    for (const Companion& companion : affected_) {
      for (const oplog::SegmentFacts& facts : companion.segments) {
        if (!is_false(facts, false_from_)) continue;
        TRY(add_recorded(facts, chain_, to, writer));
        ++counts_.segments;
      }
    }
    return {};
  }

  Result<void> fill_true(SegmentSnapshot& to, repo::Writer& writer) {
    for (const Companion& companion : affected_) {
      for (const oplog::SegmentFacts& facts : companion.segments) {
        if (!is_false(facts, false_from_))
          TRY(add_recorded(facts, chain_, to, writer));
        else if (facts.first.ts < false_from_)
          TRY(add_true_part(facts, to));
      }
    }
    return {};
  }

  Result<void> add_true_part(const oplog::SegmentFacts& facts, SegmentSnapshot& to) {
    const Bytes bytes = TRY(chain_.load(facts));
    auto scan = TRY(scan_before(facts));
    Bytes part;
    dataset::BsonBytes entries(bytes, dataset::segment_path(facts));
    while (true) {
      const auto entry = TRY(entries.next());
      if (!entry) break;
      const oplog::OpTime time = TRY(oplog::optime_of(*entry));
      if (time.ts >= false_from_) break;
      TRY(scan.add(*entry));
      append(part, *entry);
    }
    return to.add(scan.finish(), part);
  }

  // Knows the transactions that are open where the segment begins, if it is one of the chain.
  Result<oplog::SegmentScan> scan_before(const oplog::SegmentFacts& facts) {
    const auto& segments = chain_.segments();
    const auto found = std::find(segments.begin(), segments.end(), facts);
    const bool has_before = found != segments.end() && found != segments.begin() &&
                            facts.previous == std::prev(found)->last;
    if (has_before)
      return chain_.scan_after(static_cast<std::size_t>(found - segments.begin()) - 1);
    oplog::SegmentFacts before;
    before.last = facts.previous;
    before.last_entry = facts.previous_entry;
    return oplog::SegmentScan(before.last_entry.is_null() ? nullptr : &before);
  }

  StreamChain& chain_;
  StreamPublisher& publisher_;
  oplog::Timestamp false_from_;
  std::vector<Companion> affected_;
  DivergedCounts counts_;
};

}  // namespace

Result<DivergedCounts> put_aside(StreamChain& chain, StreamPublisher& publisher,
                                 oplog::Timestamp false_from) {
  PuttingAside putting(chain, publisher, false_from);
  return putting.run();
}

}  // namespace holdfast::backup
