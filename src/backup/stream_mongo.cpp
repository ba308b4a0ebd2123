#include "backup/stream_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backup/diverged_history.hpp"
#include "backup/roll_up.hpp"
#include "oplog/replay_check.hpp"

namespace holdfast::backup {

namespace {

// An entry of every ten seconds is expected of an idle replica set (no-ops).
constexpr std::chrono::seconds quiet_max{60};
constexpr std::chrono::seconds server_asked_every{10};
constexpr std::chrono::milliseconds wait_min{20};
constexpr std::chrono::seconds base_back_off_first{30};
constexpr std::chrono::seconds base_back_off_max{1800};
// The entry that a chain should have begun with was gone at once.
constexpr std::chrono::seconds wait_after_false_start{1};
constexpr std::size_t notes_max = 1000;

oplog::Timestamp next_after(oplog::Timestamp ts) {
  if (ts.ordinal < oplog::timestamp_max.ordinal) return {ts.seconds, ts.ordinal + 1};
  return {ts.seconds + 1, 0};
}

dataset::TailOptions tail_options(const StreamOptions& options) {
  dataset::TailOptions tail = options.tail;
  tail.wait_max =
      std::clamp(options.segment_age_max / 4, wait_min, std::max(tail.wait_max, wait_min));
  return tail;
}

catalog::DatasetLabel label_of(const StreamOptions& options) {
  return {options.dataset, options.author, options.tags, {}};
}

class MongoStream {
 public:
  MongoStream(repo::Repository& repository, dataset::OplogSource& source,
              const StreamOptions& options)
      : context_(repository.context()),
        source_(source),
        options_(options),
        chain_(repository, options.dataset),
        publisher_(repository, label_of(options), options.publish, options.writer) {
    chain_.watch_pending(&pending_);
  }
  MongoStream(const MongoStream&) = delete;
  MongoStream& operator=(const MongoStream&) = delete;

  Result<StreamResult> run(const dataset::OplogFacts& facts) {
    began_ = context_.clock.monotonic();
    TRY(chain_.reload().while_doing("reading what is recorded of " + options_.dataset));
    TRY(check_identity(chain_.server(), {facts.set_name, facts.set_id}, options_.dataset,
                       options_.other_server));
    tell_facts(facts);
    TRY(begin());
    roll_up_if_due();
    auto followed = follow();
    const bool was_stopped =
        !followed.has_value() && followed.error().code == ErrorCode::interrupted;
    // Whatever happened to the server: what was read is made safe.
    auto published = is_store_lost_ ? Result<void>() : publish();
    if (!followed.has_value() && !was_stopped) return fail(std::move(followed.error()));
    if (!published.has_value()) return fail(std::move(published.error()));
    tell_status();
    return StreamResult{status_, notes_};
  }

 private:
  void tell_facts(const dataset::OplogFacts& facts);
  Result<void> begin();
  Result<void> begin_new_chain(BaseRequest request);
  void begin_chain_at(oplog::Timestamp start);
  void go_on_behind_chain(oplog::SegmentScan scan);
  Result<void> follow();
  Result<void> take_in(const dataset::TailEntry& entry);
  Result<void> take_in(const dataset::TailIdle&);
  Result<void> take_in(const dataset::TailGap& gap);
  Result<void> take_in(const dataset::TailDiverged& diverged);
  Result<void> take_in(const dataset::TailReconnected& reconnected);
  Result<void> take_in(const dataset::TailAway&) { return {}; }
  Result<void> break_chain(const dataset::TailEntry& entry, const Error& why);
  Result<void> keep_pending_until(oplog::Timestamp last);
  Result<void> publish();
  void note_publication();
  void judge_newest_base();
  void roll_up_if_due();
  bool is_base_due() const;
  Result<void> take_base();
  Result<void> go_on_behind_base();
  void ask_server();
  void watch_headroom(oplog::Timestamp oldest);
  void tell_status();
  void remember(std::string note);
  bool is_over() const;
  bool is_at_end() const;
  bool is_cut_due() const;
  Duration now() const { return context_.clock.monotonic(); }

  Context& context_;
  dataset::OplogSource& source_;
  const StreamOptions& options_;
  StreamChain chain_;
  StreamPublisher publisher_;
  std::optional<dataset::OplogTail> tail_;
  oplog::ReplayCheck replay_check_;
  oplog::SegmentScan scan_;  // of the pending entries
  Bytes pending_;            // captured and not published yet
  Duration pending_since_{};
  Duration began_{};
  Duration last_entry_at_{};
  Duration server_asked_at_{};
  bool has_heard_ = false;  // the server showed where it stands
  bool is_store_lost_ = false;
  bool is_base_unproven_ = false;  // taken by us, and the chain has not shown yet that it fits
  bool is_quiet_ = false;
  bool is_headroom_short_ = false;
  std::optional<oplog::Timestamp> first_oldest_;
  std::optional<BaseRequest> base_wanted_;
  Duration base_due_at_{};
  std::uint32_t base_failures_ = 0;
  std::uint32_t bases_in_a_row_ = 0;
  std::size_t publications_since_roll_up_ = 0;
  std::uint64_t reconnects_before_ = 0;  // of tails that ended
  StreamStatus status_;
  std::vector<std::string> notes_;
};

void MongoStream::tell_facts(const dataset::OplogFacts& facts) {
  status_.member = facts.member;
  for (const std::string& warning : facts.warnings) context_.log.warn(warning);
  context_.log.note(fmt::format("following the oplog of replica set {} at {} (server {})",
                                facts.set_name, facts.member, facts.server_version));
}

// Where the chain ends; else where the newest base needs it; else now.
Result<void> MongoStream::begin() {
  last_entry_at_ = now();
  publications_since_roll_up_ = chain_.companions().size();
  if (const auto last = chain_.last()) {
    status_.recorded = last->time;
    auto scan = TRY(chain_.scan_at_end());
    go_on_behind_chain(std::move(scan));
    if (!chain_.serves_a_base()) base_wanted_ = BaseRequest{};
    context_.log.note(fmt::format("going on behind {}", oplog::to_text(last->time.ts)));
    return {};
  }
  const auto start = chain_.start_of_newest_base();
  if (!start) return begin_new_chain({});
  begin_chain_at(*start);
  return {};
}

// Begins before the base is taken, so that nothing more is lost while it is.
Result<void> MongoStream::begin_new_chain(BaseRequest request) {
  std::optional<oplog::Timestamp> start;
  const auto ask = [&]() -> Result<void> {
    TRY(context_.check_stop());
    start = TRY(source_.start_for_base());
    return {};
  };
  TRY(publisher_.insist("finding where a new chain begins", ask));
  begin_chain_at(*start);
  if (!request.lost_after.is_null()) request.lost_until = *start;
  base_wanted_ = request;
  base_due_at_ = now();
  return {};
}

void MongoStream::begin_chain_at(oplog::Timestamp start) {
  if (tail_) reconnects_before_ += tail_->counts().reconnects;
  tail_.emplace(source_, chain_, context_, start, tail_options(options_));
  scan_ = oplog::SegmentScan();
  pending_.clear();
}

void MongoStream::go_on_behind_chain(oplog::SegmentScan scan) {
  if (tail_) reconnects_before_ += tail_->counts().reconnects;
  tail_.emplace(source_, chain_, context_, *chain_.last(), tail_options(options_));
  scan_ = std::move(scan);
  pending_.clear();
}

bool MongoStream::is_over() const {
  const auto has_reached = [this](const std::optional<oplog::OpTime>& time) {
    return time && time->ts >= *options_.until;
  };
  if (options_.until && has_reached(status_.captured)) return true;
  if (options_.until && has_reached(status_.recorded) && (has_heard_ || is_at_end())) return true;
  return options_.for_seconds && now() - began_ >= *options_.for_seconds;
}

// Recorded as far as the server has anything. Recorded further, or from another server: whether the
// two have one history is to be found out first.
bool MongoStream::is_at_end() const {
  return status_.recorded->ts == *options_.until &&
         options_.other_server == catalog::OtherServer::refuse;
}

bool MongoStream::is_cut_due() const {
  if (pending_.empty()) return false;
  return now() - pending_since_ >= options_.segment_age_max ||
         pending_.size() >= options_.segment_bytes_max;
}

Result<void> MongoStream::follow() {
  while (!is_over()) {
    const dataset::TailEvent event = TRY(tail_->next());
    has_heard_ = has_heard_ || !std::holds_alternative<dataset::TailAway>(event);
    TRY(std::visit([this](const auto& each) { return take_in(each); }, event));
    if (is_cut_due()) TRY(publish());
    if (now() - server_asked_at_ >= server_asked_every &&
        !std::holds_alternative<dataset::TailAway>(event))
      ask_server();
    if (is_base_due()) TRY(take_base());
  }
  return {};
}

// The entry is kept, as the first one of a new chain.
Result<void> MongoStream::break_chain(const dataset::TailEntry& entry, const Error& why) {
  TRY(publish());
  scan_ = oplog::SegmentScan();
  ++status_.refused_count;
  remember(fmt::format("moments from {} on can be recovered only from a new base: {}",
                       oplog::to_text(entry.time.ts), why.message));
  base_wanted_ = BaseRequest{BaseReason::not_understood, {}, {}};
  base_due_at_ = now();
  return {};
}

Result<void> MongoStream::take_in(const dataset::TailEntry& entry) {
  const auto replayable = replay_check_.check(entry.bytes);
  if (!replayable.has_value()) TRY(break_chain(entry, replayable.error()));
  const std::size_t bytes_max = std::min(options_.segment_bytes_max, dataset::segment_bytes_max);
  if (!pending_.empty() && pending_.size() + entry.bytes.size() > bytes_max) TRY(publish());
  if (pending_.empty()) pending_since_ = now();
  TRY(scan_.add(entry.bytes));
  append(pending_, entry.bytes);
  last_entry_at_ = now();
  is_quiet_ = false;
  status_.captured = entry.time;
  ++status_.entry_count;
  status_.byte_count += entry.bytes.size();
  return {};
}

Result<void> MongoStream::take_in(const dataset::TailIdle&) {
  if (is_quiet_ || now() - last_entry_at_ < quiet_max) return {};
  is_quiet_ = true;
  context_.log.note(fmt::format(
      "no entry came for {} s, not even a no-op: the server is idle, or its majority point stands "
      "still",
      quiet_max.count()));
  return {};
}

Result<void> MongoStream::take_in(const dataset::TailReconnected& reconnected) {
  context_.log.note(
      fmt::format("following the oplog again, nothing was missed{}{}",
                  reconnected.why.empty() ? "" : "; it was lost because: ", reconnected.why));
  if (const auto facts = source_.facts(); facts.has_value()) status_.member = facts->member;
  return {};
}

Result<void> MongoStream::take_in(const dataset::TailGap& gap) {
  TRY(publish());
  ++status_.gap_count;
  if (gap.is_rolled_back) {
    const auto aside = TRY(put_aside(chain_, publisher_, gap.to));
    remember(
        fmt::format("history was rolled back at an unknown moment before {}: what was recorded "
                    "from then on ({} "
                    "segments, {} bases) is put aside, and moments shortly before it may be wrong",
                    oplog::to_text(gap.to), aside.segments, aside.bases));
  }
  oplog::OpTime last = gap.last;
  const auto base_start = chain_.start_of_newest_base();
  if (last.is_null()) {
    last.ts = base_start.value_or(oplog::Timestamp{});
    context_.clock.sleep_for(wait_after_false_start);
  }
  if (base_start && *base_start > last.ts && *base_start >= gap.to) {
    begin_chain_at(*base_start);
    base_wanted_.reset();
    is_base_unproven_ = true;
  } else {
    TRY(begin_new_chain({BaseReason::gap, last, gap.to}));
  }
  remember(
      fmt::format("history between {} and {} is lost: the server's oplog was overwritten before "
                  "it was read",
                  oplog::to_text(last.ts),
                  oplog::to_text(base_wanted_ ? base_wanted_->lost_until : *base_start)));
  return {};
}

Result<void> MongoStream::take_in(const dataset::TailDiverged& diverged) {
  ++status_.divergence_count;
  const oplog::Timestamp common = diverged.common.time.ts;
  remember(
      fmt::format("the history recorded after {} up to {} was rolled back by the replica set: "
                  "it is put aside, and the true history is recorded from there on",
                  oplog::to_text(common), oplog::to_text(diverged.until.ts)));
  const auto recorded = chain_.last();
  const bool is_recorded_false = recorded && recorded->time.ts > common;
  if (is_recorded_false) {
    pending_.clear();
    const auto aside = TRY(put_aside(chain_, publisher_, next_after(common)));
    context_.log.warn(fmt::format("put aside: {} segments, {} bases", aside.segments, aside.bases));
    if (chain_.last() != diverged.common)
      return fail(ErrorCode::conflict,
                  fmt::format("after putting rolled-back history aside the recorded chain does not "
                              "end at {}",
                              oplog::to_text(common)));
    status_.recorded = diverged.common.time;
  }
  TRY(keep_pending_until(common));
  status_.captured = diverged.common.time;
  if (!chain_.segments().empty() && !chain_.serves_a_base()) {
    base_wanted_ = BaseRequest{BaseReason::diverged, {}, {}};
    base_due_at_ = now();
  }
  return {};
}

Result<void> MongoStream::keep_pending_until(oplog::Timestamp last) {
  const Bytes before = std::exchange(pending_, {});
  scan_ = TRY(chain_.scan_at_end());
  dataset::BsonBytes entries(before, "pending entries");
  while (true) {
    const auto entry = TRY(entries.next());
    if (!entry) return {};
    const oplog::OpTime time = TRY(oplog::optime_of(*entry));
    if (time.ts > last) return {};
    TRY(scan_.add(*entry));
    append(pending_, *entry);
  }
}

Result<void> MongoStream::publish() {
  if (pending_.empty()) return {};
  const oplog::SegmentFacts facts = scan_.finish();
  const auto fill = [&](SegmentSnapshot& to, repo::Writer&) { return to.add(facts, pending_); };
  auto companion = publisher_.publish(dataset::segments_tag, fill);
  is_store_lost_ = !companion.has_value();
  if (is_store_lost_) return fail(std::move(companion.error()));
  scan_ = scan_.next();
  pending_.clear();
  if (pending_.capacity() > 2 * dataset::segment_bytes_max) pending_.shrink_to_fit();
  if (*companion) chain_.add(std::move(**companion));
  status_.recorded = facts.last;
  note_publication();
  judge_newest_base();
  roll_up_if_due();
  return {};
}

// Whether the base that was taken last can be brought up to the end of what is recorded.
void MongoStream::judge_newest_base() {
  if (!is_base_unproven_ || base_wanted_) return;
  if (chain_.serves_a_base()) {
    is_base_unproven_ = false;
    bases_in_a_row_ = 0;
    return;
  }
  const auto needed = chain_.start_of_newest_base();
  if (needed && *needed > status_.recorded->ts) return;
  base_wanted_ = BaseRequest{};
  base_due_at_ = now();
}

void MongoStream::note_publication() {
  ++status_.publication_count;
  ++publications_since_roll_up_;
  status_.exposure = std::chrono::duration_cast<std::chrono::milliseconds>(now() - pending_since_);
  status_.exposure_max = std::max(status_.exposure_max, status_.exposure);
  tell_status();
}

// It can wait: a failure costs nothing but more snapshots.
void MongoStream::roll_up_if_due() {
  if (publications_since_roll_up_ <= options_.roll_up_count || context_.stop.stop_requested())
    return;
  publications_since_roll_up_ = 0;
  const auto counts = roll_up(chain_, publisher_, options_.roll_up_count);
  if (counts.has_value())
    status_.roll_up_count += counts->companions_made;
  else
    context_.log.warn("small snapshots could not be rolled up: " + describe(counts.error()));
}

bool MongoStream::is_base_due() const {
  return base_wanted_ && now() >= base_due_at_;
}

Result<void> MongoStream::take_base() {
  if (!options_.take_base) {
    remember(fmt::format("{}: no moment from now on can be recovered until one is taken",
                         name_of(base_wanted_->reason)));
    base_wanted_.reset();
    return {};
  }
  if (++bases_in_a_row_ > options_.bases_in_a_row_max)
    return fail(ErrorCode::history_lost,
                fmt::format("{} bases in a row were of no use: the server's oplog is overwritten "
                            "faster than a base is taken",
                            bases_in_a_row_ - 1));
  TRY(publish());
  auto taken = options_.take_base(*base_wanted_);
  last_entry_at_ = now();
  if (taken.has_value()) return go_on_behind_base();
  const ErrorCode code = taken.error().code;
  if (code == ErrorCode::interrupted || code == ErrorCode::denied || code == ErrorCode::usage)
    return std::move(taken).while_doing("taking a base");
  --bases_in_a_row_;
  const auto wait = std::min<std::chrono::seconds>(
      base_back_off_first * (std::int64_t{1} << std::min(base_failures_++, std::uint32_t{10})),
      base_back_off_max);
  base_due_at_ = now() + wait;
  context_.log.warn(fmt::format("no base could be taken, trying again in {} s: {}", wait.count(),
                                describe(taken.error())));
  return {};
}

// The base has recorded what it needs of the oplog, and the stream goes on behind that; or it needs
// nothing that the stream does not read anyway.
Result<void> MongoStream::go_on_behind_base() {
  ++status_.base_count;
  base_failures_ = 0;
  is_base_unproven_ = true;
  base_wanted_.reset();
  const auto captured = tail_->last();
  TRY(chain_.reload());
  const auto last = chain_.last();
  const auto start = chain_.start_of_newest_base();
  const bool has_recorded = last && start && last->time.ts >= *start;
  if (!has_recorded || captured == last) return {};
  status_.recorded = last->time;
  auto scan = TRY(chain_.scan_at_end());
  go_on_behind_chain(std::move(scan));
  return {};
}

void MongoStream::ask_server() {
  server_asked_at_ = now();
  const auto newest = source_.newest();
  const auto oldest = source_.oldest();
  if (newest.has_value() && *newest) status_.server_newest = (*newest)->time.ts;
  if (oldest.has_value() && *oldest) {
    status_.server_oldest = (*oldest)->time.ts;
    watch_headroom((*oldest)->time.ts);
  }
  tell_status();
}

// A young oplog is short as well: only one that loses its begin is a danger.
void MongoStream::watch_headroom(oplog::Timestamp oldest) {
  if (!first_oldest_) first_oldest_ = oldest;
  const auto captured = status_.captured ? status_.captured : status_.recorded;
  if (!captured || oldest <= *first_oldest_) return;
  const std::int64_t headroom = std::int64_t{captured->ts.seconds} - oldest.seconds;
  const bool is_short = headroom < options_.headroom_min.count();
  if (is_short && !is_headroom_short_)
    context_.log.warn(fmt::format(
        "the server's oplog reaches back only {} s behind what is captured: a longer break of this "
        "stream would lose history; make the oplog larger (replSetResizeOplog)",
        headroom));
  is_headroom_short_ = is_short;
}

void MongoStream::tell_status() {
  status_.reconnect_count = reconnects_before_ + (tail_ ? tail_->counts().reconnects : 0);
  if (options_.on_status) options_.on_status(status_);
}

void MongoStream::remember(std::string note) {
  context_.log.warn(note);
  if (notes_.size() < notes_max) notes_.push_back(std::move(note));
}

}  // namespace

Result<StreamResult> stream_mongo(repo::Repository& repository, dataset::OplogSource& source,
                                  const StreamOptions& options) {
  TRY(dataset::check_dataset_name(options.dataset));
  const dataset::OplogFacts facts = TRY(source.facts());
  StreamOptions known = options;
  for (std::string& tag : catalog::identity_tags({facts.set_name, facts.set_id}))
    known.tags.push_back(std::move(tag));
  MongoStream stream(repository, source, known);
  return stream.run(facts);
}

}  // namespace holdfast::backup
