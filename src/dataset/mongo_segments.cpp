#include "dataset/mongo_segments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/ext_json.hpp"
#include "dataset/json_fields.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::uint64_t segments_format = 1;
constexpr std::string_view place = "segment list";
constexpr std::size_t gaps_max = 1000;

bool is_noop(ByteView entry) {
  const auto op = bson::Document::trusted(entry).find("op");
  return op && op->type == bson::Type::string && op->as_text() == "n";
}

std::string facts_json(const oplog::SegmentFacts& facts) {
  const auto hex = [](const oplog::ContentHash& hash) {
    return hash.is_null() ? std::string() : hash.hex();
  };
  return fmt::format(
      "{{\"file\":\"{}\",\"first\":{},\"last\":{},\"entries\":{},\"bytes\":{},\"sha256\":\"{}\","
      "\"first_entry\":\"{}\",\"last_entry\":\"{}\",\"previous_entry\":\"{}\",\"previous\":{},"
      "\"oldest_open\":{}}}",
      segment_path(facts), optime_json(facts.first), optime_json(facts.last), facts.entry_count,
      facts.byte_count, hex(facts.content), hex(facts.first_entry), hex(facts.last_entry),
      hex(facts.previous_entry), optime_json(facts.previous), timestamp_json(facts.oldest_open));
}

Result<oplog::SegmentFacts> read_facts(bson::Document document) {
  const JsonFields fields(document, place);
  oplog::SegmentFacts facts;
  facts.first = TRY(fields.optime("first"));
  facts.last = TRY(fields.optime("last"));
  facts.entry_count = TRY(fields.number("entries"));
  facts.byte_count = TRY(fields.number("bytes"));
  facts.content = TRY(fields.hash("sha256"));
  facts.first_entry = TRY(fields.hash("first_entry"));
  facts.last_entry = TRY(fields.hash("last_entry"));
  facts.previous_entry = TRY(fields.hash("previous_entry"));
  facts.previous = TRY(fields.optime("previous"));
  facts.oldest_open = TRY(fields.timestamp("oldest_open"));
  if (facts.last.ts < facts.first.ts) return fields.wrong("last");
  return facts;
}

bool names_as_previous(const oplog::SegmentFacts& segment, const oplog::SegmentFacts& before) {
  return segment.previous == before.last && segment.previous_entry == before.last_entry;
}

}  // namespace

Result<void> scan_behind(ByteView bytes, oplog::Timestamp behind, oplog::SegmentScan& scan) {
  BsonBytes entries(bytes, "segment");
  while (true) {
    const auto entry = TRY(entries.next());
    if (!entry) return {};
    const oplog::OpTime time = TRY(oplog::optime_of(*entry));
    if (time.ts > behind) TRY(scan.add(*entry));
  }
}

std::string segment_path(const oplog::SegmentFacts& facts) {
  return fmt::format("segments/{:010}.{:06}-{:010}.{:06}.bson", facts.first.ts.seconds,
                     facts.first.ts.ordinal, facts.last.ts.seconds, facts.last.ts.ordinal);
}

std::string encode_segments(std::string_view dataset,
                            const std::vector<oplog::SegmentFacts>& segments) {
  std::string text = fmt::format("{{\"format\":{},\"dataset\":", segments_format);
  bson::append_json_string(dataset, text);
  text += ",\"segments\":[";
  for (std::size_t at = 0; at < segments.size(); ++at) {
    text += at == 0 ? "\n" : ",\n";
    text += facts_json(segments[at]);
  }
  return text + "\n]}\n";
}

Result<std::vector<oplog::SegmentFacts>> decode_segments(std::string_view json) {
  const Bytes bytes = TRY(bson::parse_ext_json(json, 2 * segments_json_bytes_max));
  const JsonFields fields(bson::Document::trusted(bytes), place);
  const std::uint64_t format = TRY(fields.number("format"));
  if (format != segments_format)
    return fail(ErrorCode::unsupported,
                fmt::format("segment list: format {} is not known", format));
  std::vector<oplog::SegmentFacts> segments;
  const bson::Document list = TRY(fields.list("segments"));
  for (const bson::Element& element : list) {
    if (element.value.type != bson::Type::document) return fields.wrong("segments");
    const oplog::SegmentFacts facts = TRY(read_facts(element.value.as_document()));
    segments.push_back(facts);
  }
  return segments;
}

std::vector<StoredSegment> sort_segments(std::vector<StoredSegment> segments) {
  const auto range = [](const StoredSegment& stored) {
    return std::tuple(stored.facts.first.ts, stored.facts.last.ts, stored.facts.content);
  };
  std::stable_sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) {
    const bool a_is_start = a.facts.previous_entry.is_null();
    const bool b_is_start = b.facts.previous_entry.is_null();
    return std::tie(a.facts.first.ts, b.facts.last.ts, a.facts.content, a_is_start) <
           std::tie(b.facts.first.ts, a.facts.last.ts, b.facts.content, b_is_start);
  });
  const auto end = std::unique(segments.begin(), segments.end(),
                               [&](const auto& a, const auto& b) { return range(a) == range(b); });
  segments.erase(end, segments.end());
  return segments;
}

std::vector<StoredSegment> without_covered(std::vector<StoredSegment> segments) {
  oplog::Timestamp end;
  std::erase_if(segments, [&](const StoredSegment& stored) {
    if (stored.facts.last.ts <= end) return true;
    end = stored.facts.last.ts;
    return false;
  });
  return segments;
}

SegmentIntake::SegmentIntake(std::vector<StoredSegment> stored, Load load, Save save, Refuse refuse)
    : stored_(without_covered(std::move(stored))),
      load_(std::move(load)),
      save_(std::move(save)),
      refuse_(std::move(refuse)) {}

tl::unexpected<Error> SegmentIntake::diverged(oplog::Timestamp at) const {
  const std::string common =
      common_ ? fmt::format("the last entry that both have is {}", oplog::to_text(common_->ts))
              : std::string("they have no entry in common");
  return fail(
      ErrorCode::conflict,
      fmt::format("this oplog and what is recorded contradict each other at {}: one of them "
                  "was rolled back; {}",
                  oplog::to_text(at), common));
}

bool SegmentIntake::is_joined(std::size_t segment) const {
  if (segment == 0 || segment >= stored_.size()) return false;
  const oplog::SegmentFacts& facts = stored_[segment].facts;
  const oplog::SegmentFacts& before = stored_[segment - 1].facts;
  return names_as_previous(facts, before) || facts.first.ts <= before.last.ts;
}

Result<void> SegmentIntake::add(ByteView entry) {
  const oplog::OpTime time = TRY(oplog::optime_of(entry));
  TRY(order_.accept(time));
  TRY(leave_passed_segments(time));
  ++report_.entry_count;
  if (!report_.first) report_.first = time;
  report_.last = time;
  if (at_ < stored_.size() && stored_[at_].facts.first.ts <= time.ts) {
    if (!passage_) TRY(enter(at_));
    return compare(entry, time);
  }
  if (!is_joined(at_)) return append_new(entry, time);
  if (is_noop(entry)) return {};
  return diverged(time.ts);
}

// Stored segments that end before `time`. What they hold and the stream does not must be no-ops,
// unless the stream began later.
Result<void> SegmentIntake::leave_passed_segments(const oplog::OpTime& time) {
  for (; at_ < stored_.size() && stored_[at_].facts.last.ts < time.ts; ++at_) {
    if (!passage_ && report_.entry_count > 0) TRY(enter(at_));
    if (passage_) TRY(skip_missing(std::nullopt));
    passage_.reset();
  }
  return {};
}

Result<void> SegmentIntake::enter(std::size_t segment) {
  passage_.emplace();
  passage_->bytes = TRY(load_(stored_[segment]));
  const auto& facts = stored_[segment].facts;
  if (oplog::hash_of(passage_->bytes) != facts.content)
    return fail(ErrorCode::corrupt,
                fmt::format("{} is not what its list says", segment_path(facts)));
  passage_->entries = std::make_unique<BsonBytes>(passage_->bytes, segment_path(facts));
  passage_->head = TRY(passage_->entries->next());
  if (segment == 0) return {};
  // What the segment before holds as well was compared there.
  const oplog::Timestamp begin = stored_[segment - 1].facts.last.ts;
  while (passage_->head) {
    const oplog::OpTime head = TRY(oplog::optime_of(*passage_->head));
    if (head.ts > begin) break;
    passage_->head = TRY(passage_->entries->next());
  }
  return {};
}

// Goes over stored entries before `until` that the stream does not have.
Result<void> SegmentIntake::skip_missing(std::optional<oplog::Timestamp> until) {
  const bool stream_was_before = report_.entry_count > (until ? 1U : 0U);
  while (passage_->head) {
    const oplog::OpTime head = TRY(oplog::optime_of(*passage_->head));
    if (until && head.ts >= *until) return {};
    if (stream_was_before && !is_noop(*passage_->head)) return diverged(head.ts);
    passage_->head = TRY(passage_->entries->next());
  }
  return {};
}

Result<void> SegmentIntake::compare(ByteView entry, const oplog::OpTime& time) {
  TRY(skip_missing(time.ts));
  const auto& head = passage_->head;
  const bool is_stored =
      head && bson::Document::trusted(*head).find("ts")->as_timestamp() == time.ts;
  if (!is_stored) {
    if (is_noop(entry)) return {};
    return diverged(time.ts);
  }
  if (!std::equal(entry.begin(), entry.end(), head->begin(), head->end())) return diverged(time.ts);
  if (scan_) TRY(time.ts == stored_[at_].facts.first.ts ? bridge() : flush());
  scan_.reset();
  ++report_.known_count;
  common_ = time;
  passage_->head = TRY(passage_->entries->next());
  return {};
}

Result<void> SegmentIntake::begin_chain_if_refused(ByteView entry, const oplog::OpTime& time) {
  const auto why = refuse_ ? refuse_(entry) : std::nullopt;
  if (!why) return {};
  TRY(flush());
  scan_.emplace();
  if (report_.gaps.size() < gaps_max)
    report_.gaps.push_back(
        fmt::format("moments from {} on can be recovered only from a new base: {}",
                    oplog::to_text(time.ts), *why));
  return {};
}

Result<void> SegmentIntake::append_new(ByteView entry, const oplog::OpTime& time) {
  TRY(begin_chain_if_refused(entry, time));
  if (!scan_) TRY(start_segment(time));
  if (!pending_.empty() && pending_.size() + entry.size() > segment_bytes_max) {
    TRY(flush());
    scan_ = scan_->next();
  }
  TRY(scan_->add(entry));
  append(pending_, entry);
  ++report_.new_count;
  return {};
}

Result<void> SegmentIntake::start_segment(const oplog::OpTime& time) {
  if (at_ == 0) {
    scan_.emplace();
    return {};
  }
  const oplog::SegmentFacts& before = stored_[at_ - 1].facts;
  if (report_.first->ts <= before.last.ts) {
    scan_ = TRY(scan_after(at_ - 1));
    return {};
  }
  if (report_.gaps.size() < gaps_max)
    report_.gaps.push_back(fmt::format("nothing is recorded between {} and {}",
                                       oplog::to_text(before.last.ts), oplog::to_text(time.ts)));
  scan_.emplace();
  return {};
}

// A scan that follows a stored segment and knows the transactions that are open at its end.
Result<oplog::SegmentScan> SegmentIntake::scan_after(std::size_t segment) const {
  const oplog::Timestamp open = stored_[segment].facts.oldest_open;
  if (open == oplog::Timestamp{}) return oplog::SegmentScan(&stored_[segment].facts);
  std::size_t start = segment;
  while (stored_[start].facts.first.ts > open && is_joined(start)) --start;
  oplog::SegmentScan scan;
  for (std::size_t at = start; at <= segment; ++at) {
    const Bytes bytes = TRY(load_(stored_[at]));
    TRY(scan_behind(bytes, at == start ? oplog::Timestamp{} : stored_[at - 1].facts.last.ts, scan));
  }
  scan.finish();
  return scan.next();
}

// The new entries reach up to a stored segment whose predecessor was unknown: it is recorded once
// more, now naming it.
Result<void> SegmentIntake::bridge() {
  TRY(flush());
  oplog::SegmentScan scan = scan_->next();
  BsonBytes entries(passage_->bytes, "segment");
  while (true) {
    const auto entry = TRY(entries.next());
    if (!entry) break;
    TRY(scan.add(*entry));
  }
  return save_(scan.finish(), passage_->bytes);
}

Result<void> SegmentIntake::flush() {
  if (pending_.empty()) return {};
  TRY(save_(scan_->finish(), pending_));
  ++report_.new_segment_count;
  pending_.clear();
  return {};
}

Result<void> SegmentIntake::finish() {
  if (!scan_) return {};
  TRY(flush());
  if (at_ < stored_.size() && report_.gaps.size() < gaps_max)
    report_.gaps.push_back(fmt::format("nothing is recorded between {} and {}",
                                       oplog::to_text(report_.last->ts),
                                       oplog::to_text(stored_[at_].facts.first.ts)));
  scan_.reset();
  return {};
}

}  // namespace holdfast::dataset
