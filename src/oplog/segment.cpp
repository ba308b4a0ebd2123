#include "oplog/segment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bson/digest.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;
using bson::Value;

// What a scan needs from an entry; everything may be absent.
struct Outline {
  OpTime optime;
  bool has_ts = false;
  bool is_command = false;
  ByteView session;
  std::optional<std::int64_t> txn_number;
  std::optional<Document> o;
};

Outline outline_of(Document entry) {
  Outline outline;
  for (const auto& [name, value, raw] : entry) {
    if (name == "ts" && value.type == Type::timestamp) {
      outline.optime.ts = value.as_timestamp();
      outline.has_ts = true;
    } else if (name == "t") {
      outline.optime.term = value.as_integer().value_or(-1);
    } else if (name == "op" && value.type == Type::string) {
      outline.is_command = value.as_text() == "c";
    } else if (name == "lsid" && value.type == Type::document) {
      outline.session = value.bytes;
    } else if (name == "txnNumber") {
      outline.txn_number = value.as_integer();
    } else if (name == "o" && value.type == Type::document) {
      outline.o = value.as_document();
    }
  }
  return outline;
}

bool is_true(Document o, std::string_view name) {
  const auto value = o.find(name);
  return value && value->type == Type::boolean && value->as_bool();
}

ContentHash hash_from(const std::array<std::uint8_t, 32>& digest) {
  return ContentHash::from_bytes(digest);
}

}  // namespace

ContentHash hash_of(ByteView bytes) {
  return hash_from(bson::Sha256().of(bytes));
}

Result<OpTime> optime_of(ByteView entry) {
  const auto document = TRY(Document::validate(entry));
  const auto outline = outline_of(document);
  if (!outline.has_ts) return fail(ErrorCode::malformed, "an oplog entry has no timestamp 'ts'");
  return outline.optime;
}

// Open transactions are followed without judging them: a broken chain is the materialiser's matter.
struct SegmentScan::State {
  struct Open {
    std::int64_t txn_number = 0;
    Timestamp first;
    bool is_prepared = false;
  };

  SegmentFacts facts;
  OrderCheck order;
  bson::Sha256 content;
  bson::Sha256 single;
  Bytes last_entry;
  std::map<std::string, Open> open;

  void follow(const Outline& entry);
  void end_old_terms(std::int64_t term);
};

void SegmentScan::State::end_old_terms(std::int64_t term) {
  if (facts.entry_count == 0 || term <= facts.last.term) return;
  std::erase_if(open, [](const auto& item) { return !item.second.is_prepared; });
}

void SegmentScan::State::follow(const Outline& entry) {
  end_old_terms(entry.optime.term);
  if (entry.session.empty() || !entry.txn_number) return;
  const std::string session(as_text(entry.session));
  const auto known = open.find(session);
  if (known != open.end() && known->second.txn_number < *entry.txn_number) open.erase(known);
  if (!entry.is_command || !entry.o || entry.o->is_empty()) return;
  const auto command = entry.o->begin()->name;
  const bool is_prepare = command == "applyOps" && is_true(*entry.o, "prepare");
  const bool is_piece = is_prepare || (command == "applyOps" && is_true(*entry.o, "partialTxn"));
  if (!is_piece) {
    open.erase(session);
    return;
  }
  const auto [item, is_new] =
      open.try_emplace(session, Open{*entry.txn_number, entry.optime.ts, false});
  item->second.is_prepared |= is_prepare;
}

SegmentScan::SegmentScan(const SegmentFacts* previous) : state_(std::make_unique<State>()) {
  if (previous == nullptr) return;
  state_->facts.previous = previous->last;
  state_->facts.previous_entry = previous->last_entry;
}
SegmentScan::SegmentScan(SegmentScan&&) noexcept = default;
SegmentScan& SegmentScan::operator=(SegmentScan&&) noexcept = default;
SegmentScan::~SegmentScan() = default;

Result<OpTime> SegmentScan::add(ByteView entry) {
  State& state = *state_;
  const auto document = TRY(Document::validate(entry));
  const auto outline = outline_of(document);
  if (!outline.has_ts) return fail(ErrorCode::malformed, "an oplog entry has no timestamp 'ts'");
  if (state.facts.entry_count == 0 && !state.facts.previous.is_null())
    TRY(state.order.accept(state.facts.previous));
  TRY(state.order.accept(outline.optime));
  state.follow(outline);
  if (state.facts.entry_count == 0) {
    state.facts.first = outline.optime;
    state.facts.first_entry = hash_from(state.single.of(entry));
  }
  state.content.update(entry);
  state.last_entry.assign(entry.begin(), entry.end());
  state.facts.last = outline.optime;
  state.facts.entry_count += 1;
  state.facts.byte_count += entry.size();
  return outline.optime;
}

std::uint64_t SegmentScan::entry_count() const {
  return state_->facts.entry_count;
}

SegmentFacts SegmentScan::finish() {
  State& state = *state_;
  state.facts.content = hash_from(state.content.finish());
  state.facts.last_entry = hash_from(state.single.of(state.last_entry));
  state.facts.oldest_open = {};
  for (const auto& [session, open] : state.open) {
    const bool is_older =
        state.facts.oldest_open == Timestamp{} || open.first < state.facts.oldest_open;
    if (is_older) state.facts.oldest_open = open.first;
  }
  return state.facts;
}

SegmentScan SegmentScan::next() const {
  SegmentScan scan(&state_->facts);
  scan.state_->open = state_->open;
  return scan;
}

}  // namespace holdfast::oplog
