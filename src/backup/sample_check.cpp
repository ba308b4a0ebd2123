#include "backup/sample_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "backup/document_changes.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"
#include "oplog/entry.hpp"
#include "oplog/facts.hpp"
#include "oplog/segment.hpp"
#include "oplog/transactions.hpp"

namespace holdfast::backup {

namespace {

using bson::Document;
using Wish = LiveDocuments::Wish;

bool is_text(bson::Type type) {
  return type == bson::Type::string || type == bson::Type::symbol;
}

// Whether {_id: {$gte: first, $lte: last}} gives exactly these documents: comparisons look only at
// one type, and under a collation text has another order.
bool can_be_asked_for(const dataset::MongoCollection& collection,
                      const dataset::ChunkEntry& chunk) {
  if (!chunk.first_id || !chunk.last_id || collection.is_capped()) return false;
  if (!collection.has_documents || !collection.uuid) return false;
  const bool is_one_kind =
      bson::rank_of(chunk.first_id->type) == bson::rank_of(chunk.last_id->type);
  const bool has_collation =
      !collection.options.empty() && Document::trusted(collection.options).find("collation");
  return is_one_kind && !(has_collation && is_text(chunk.first_id->type));
}

// One range while what changed since the base is found out.
struct OpenRange {
  const RecordedRange* range = nullptr;
  RangeKeys keys;  // of a part
  LiveDocuments::Content live;
  bool is_touched = false;

  bool is_whole() const { return range->ids.empty(); }
  bool is_equal() const { return live.count == range->count && live.digest == range->digest; }
  bool holds(ByteView key) const { return is_whole() || keys.holds(key); }
  bool is_of(const oplog::Entry& entry) const {
    if (entry.uuid && range->uuid) return *entry.uuid == *range->uuid;
    return entry.ns == range->ns;
  }
};

OpenRange open_range(const RecordedRange& range) {
  OpenRange open;
  open.range = &range;
  if (!open.is_whole()) open.keys = keys_of(range);
  return open;
}

// Marks ranges that later entries touch. Pieces of transactions count whether they commit or not:
// a range too many is only undecided.
class LaterChanges final : private ChangeVisitor {
 public:
  LaterChanges(std::vector<OpenRange>& ranges, oplog::Timestamp at, std::uint64_t entries_max)
      : ranges_(ranges), at_(at), entries_max_(entries_max) {}

  Result<Wish> take(ByteView bytes) {
    const oplog::OpTime time = TRY(oplog::optime_of(bytes));
    if (time.ts == at_) began_ = true;
    if (!began_) return Wish::enough;
    if (time.ts == at_) return Wish::more;
    ++entry_count_;
    if (entry_count_ > entries_max_) return Wish::enough;
    const auto entry = oplog::Entry::parse(bytes, {});
    if (!entry.has_value()) {
      touch_all();
      return Wish::more;
    }
    // What a transaction did in pieces before the base is seen only when it ends.
    const bool began_before = entry->previous && !entry->previous->is_null() &&
                              entry->previous->ts <= at_ &&
                              oplog::shape_of(*entry) != oplog::TransactionShape::none;
    if (began_before) touch_all();
    TRY(visit_changes(*entry, *this));
    return Wish::more;
  }

  bool is_complete() const { return began_ && entry_count_ <= entries_max_; }

 private:
  Result<void> document(const oplog::Entry& entry, const std::optional<bson::Value>& id) override {
    key_.clear();
    if (id) bson::append_key(*id, key_);
    for (OpenRange& range : ranges_) {
      if (range.is_of(entry) && (!id || range.holds(key_))) range.is_touched = true;
    }
    return {};
  }
  Result<void> command(const oplog::Entry& entry) override {
    // What a commit brings may stand before the base.
    if (entry.command() == "commitTransaction")
      touch_all();
    else
      touch_collection(entry);
    return {};
  }
  Result<void> unknown() override {
    touch_all();
    return {};
  }

  // createIndexes and the like change no document, but who asks for so little pays little.
  void touch_collection(const oplog::Entry& entry) {
    for (OpenRange& range : ranges_) {
      const bool is_same = !entry.uuid || range.is_of(entry) ||
                           oplog::database_of(entry.ns) == oplog::database_of(range.range->ns);
      if (is_same) range.is_touched = true;
    }
  }
  void touch_all() {
    for (OpenRange& range : ranges_) range.is_touched = true;
  }

  std::vector<OpenRange>& ranges_;
  oplog::Timestamp at_;
  std::uint64_t entries_max_;
  std::uint64_t entry_count_ = 0;
  bool began_ = false;  // the entry of the base was seen
  Bytes key_;
};

// Counts, and parts with one question for each collection.
Result<void> read_live(LiveDocuments& live, std::vector<OpenRange>& ranges) {
  std::map<std::string, std::vector<OpenRange*>> parts;
  for (OpenRange& open : ranges) {
    if (!open.is_whole()) {
      parts[open.range->ns].push_back(&open);
      continue;
    }
    open.live.count = TRY(live.count(*open.range).while_doing("counting " + open.range->ns));
    open.live.digest = open.range->digest;
  }
  for (const auto& [ns, of_one] : parts) {
    std::vector<const RecordedRange*> asked;
    for (const OpenRange* open : of_one) asked.push_back(open->range);
    const auto contents = TRY(live.contents(asked).while_doing("reading parts of " + ns));
    for (std::size_t at = 0; at < of_one.size(); ++at) of_one[at]->live = contents[at];
  }
  return {};
}

// All counts; of the parts the first, then as many as its time suggests.
Result<std::vector<OpenRange>> read_in_time(LiveDocuments& live,
                                            const std::vector<RecordedRange>& ranges,
                                            const SampleCheckOptions& options) {
  std::vector<OpenRange> first;
  std::vector<OpenRange> others;
  for (const RecordedRange& range : ranges) {
    OpenRange open = open_range(range);
    (first.empty() && !open.is_whole() ? first : others).push_back(std::move(open));
  }
  const auto now = [&] {
    return options.clock == nullptr ? Duration{} : options.clock->monotonic();
  };
  const Duration began = now();
  TRY(read_live(live, first));
  const Duration taken = now() - began;
  if (taken.count() > 0) {
    const Duration budget = options.time_max;
    auto left = static_cast<std::uint64_t>(std::max<std::int64_t>(budget / taken, 0));
    std::erase_if(others, [&](const OpenRange& open) {
      if (open.is_whole()) return false;
      if (left == 0) return true;
      --left;
      return false;
    });
  }
  TRY(read_live(live, others));
  std::move(others.begin(), others.end(), std::back_inserter(first));
  return first;
}

// Whether the member shows this very moment: it may lag, or have lost it.
Result<bool> has_reached(LiveDocuments& live, oplog::Timestamp at) {
  bool is_there = false;
  const LiveDocuments::TakeEntry look = [&](ByteView entry) -> Result<Wish> {
    const oplog::OpTime time = TRY(oplog::optime_of(entry));
    is_there = time.ts == at;
    return Wish::enough;
  };
  TRY(live.entries(at, look));
  return is_there;
}

std::string difference_of(const OpenRange& open) {
  const RecordedRange& range = *open.range;
  if (open.live.count == range.count)
    return fmt::format("{}: {} documents with other contents than recorded", describe(range),
                       range.count);
  return fmt::format("{}: {} documents recorded, {} on the server", describe(range), range.count,
                     open.live.count);
}

}  // namespace

bool RangeKeys::holds(ByteView key) const {
  return bson::compare_bytes(first, key) <= 0 && bson::compare_bytes(key, last) <= 0;
}

RangeKeys keys_of(const RecordedRange& range) {
  const auto ids = Document::trusted(range.ids);
  return {bson::key_of(*ids.find("first")), bson::key_of(*ids.find("last"))};
}

std::string describe(const RecordedRange& range) {
  if (range.ids.empty()) return range.ns;
  const auto ids = Document::trusted(range.ids);
  return fmt::format("{}, _id {} to {}", range.ns,
                     bson::to_ext_json(*ids.find("first"), bson::JsonForm::relaxed),
                     bson::to_ext_json(*ids.find("last"), bson::JsonForm::relaxed));
}

void RangeChoice::offer(const dataset::MongoCollection& collection,
                        const dataset::ChunkEntry& chunk) {
  if (count_max_ == 0 || !can_be_asked_for(collection, chunk)) return;
  const std::uint64_t place = offered_ < count_max_ ? offered_ : rng_.below(offered_ + 1);
  ++offered_;
  if (place >= count_max_) return;
  bson::Builder ids;
  ids.append("first", *chunk.first_id);
  ids.append("last", *chunk.last_id);
  RecordedRange range{collection.ns(), collection.uuid, ids.take(), chunk.count, chunk.digest};
  if (place == chosen_.size())
    chosen_.push_back(std::move(range));
  else
    chosen_[place] = std::move(range);
}

Result<SampleReport> check_samples(LiveDocuments& live, oplog::Timestamp at,
                                   const std::vector<RecordedRange>& ranges,
                                   const SampleCheckOptions& options) {
  SampleReport report;
  std::vector<OpenRange> unequal = TRY(read_in_time(live, ranges, options));
  report.left_out_count = ranges.size() - unequal.size();
  if (report.left_out_count > 0)
    report.notes.push_back(fmt::format("{} parts were not compared: the server answers slowly",
                                       report.left_out_count));
  const auto drop_equal = [&] {
    report.equal_count +=
        std::erase_if(unequal, [](const OpenRange& open) { return open.is_equal(); });
  };
  drop_equal();
  if (unequal.empty()) return report;
  const auto undecided = [&] {
    report.undecided_count = unequal.size();
    report.notes.push_back(fmt::format(
        "{} parts differ from the server, whose oplog does not tell what changed since {}",
        unequal.size(), oplog::to_text(at)));
    return report;
  };
  // The member that was asked may have lagged: what it has once it shows the moment counts.
  const bool has_it = TRY(has_reached(live, at));
  if (!has_it) return undecided();
  TRY(read_live(live, unequal));
  drop_equal();
  LaterChanges later(unequal, at, options.entries_max);
  TRY(live.entries(at, [&](ByteView entry) { return later.take(entry); }));
  if (!later.is_complete()) return undecided();
  for (const OpenRange& open : unequal) {
    if (open.is_touched)
      ++report.undecided_count;
    else
      report.differences.push_back(difference_of(open));
  }
  return report;
}

}  // namespace holdfast::backup
