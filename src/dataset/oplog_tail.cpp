#include "dataset/oplog_tail.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::dataset {

namespace {

// Out of order again after so many new starts: it is the server, not the connection.
constexpr std::uint32_t disorders_max = 3;
// A stop is noticed within this.
constexpr std::chrono::milliseconds nap_max{500};

bool passes_by_waiting(ErrorCode code) {
  return code == ErrorCode::server_unreachable || code == ErrorCode::server_failed;
}

}  // namespace

Result<SeenEntry> seen_entry_of(ByteView entry) {
  const oplog::OpTime time = TRY(oplog::optime_of(entry));
  return SeenEntry{time, oplog::hash_of(entry)};
}

OplogTail::OplogTail(OplogSource& source, CapturedHistory& history, Context& context,
                     const SeenEntry& last, const TailOptions& options)
    : source_(source),
      history_(history),
      context_(context),
      options_(options),
      given_(last),
      last_time_(last.time) {}

OplogTail::OplogTail(OplogSource& source, CapturedHistory& history, Context& context,
                     oplog::Timestamp start, const TailOptions& options)
    : source_(source), history_(history), context_(context), options_(options), start_(start) {}

std::optional<SeenEntry> OplogTail::last() const {
  if (last_bytes_.empty()) return given_;
  return SeenEntry{last_time_, oplog::hash_of(last_bytes_)};
}

Result<TailEvent> OplogTail::next() {
  while (true) {
    TRY(context_.check_stop());
    if (!is_connected_) {
      const Duration wait = retry_at_ - context_.clock.monotonic();
      if (wait > options_.wait_max) {
        TRY(pause(options_.wait_max));
        return TailEvent(TailAway{why_});
      }
      TRY(pause(wait));
      auto event = connect();
      if (!event.has_value()) return away(std::move(event.error()));
      if (*event) return std::move(**event);
      continue;
    }
    if (!first_bytes_.empty()) {
      const Bytes bytes = std::exchange(first_bytes_, {});
      const oplog::OpTime time = TRY(oplog::optime_of(bytes));
      return TRY(hand_out(bytes, time));
    }
    auto entry = source_.next(options_.wait_max);
    if (!entry.has_value()) return away(std::move(entry.error()));
    failures_ = 0;
    if (!*entry) return TailEvent(TailIdle{});
    const oplog::OpTime time = TRY(oplog::optime_of(**entry));
    const bool is_in_order = time.ts > last_time_.ts && time.term >= last_time_.term;
    if (is_in_order || last_time_.is_null()) return TRY(hand_out(**entry, time));
    if (++disorders_ > disorders_max)
      return fail(ErrorCode::malformed,
                  fmt::format("the oplog is out of order: {} (term {}) came after {} (term {})",
                              oplog::to_text(time.ts), time.term, oplog::to_text(last_time_.ts),
                              last_time_.term));
    is_connected_ = false;
    why_ = "an entry was out of order";
  }
}

Result<TailEvent> OplogTail::hand_out(ByteView bytes, oplog::OpTime time) {
  last_bytes_.assign(bytes.begin(), bytes.end());
  last_time_ = time;
  disorders_ = 0;
  ++counts_.entries;
  counts_.bytes += bytes.size();
  return TailEvent(TailEntry{time, last_bytes_});
}

// Decides when to try again, or gives the error up.
Result<TailEvent> OplogTail::away(Error error) {
  is_connected_ = false;
  if (!passes_by_waiting(error.code)) return fail(std::move(error));
  ++failures_;
  if (failures_ > options_.failures_max) {
    error.trail.push_back(fmt::format("trying for the {}th time to follow the oplog", failures_));
    return fail(std::move(error));
  }
  why_ = error.message;
  if (failures_ == 1)
    context_.log.note(fmt::format("the oplog can not be read at the moment: {}", error.message));
  choice_ = failures_ % 2 == 0 ? MemberChoice::another : choice_;
  const std::uint32_t doublings = std::min(failures_ - 1, std::uint32_t{20});
  const auto span =
      std::min(options_.back_off_first * (std::int64_t{1} << doublings), options_.back_off_max);
  retry_at_ = context_.clock.monotonic() + span;
  return TailEvent(TailAway{why_});
}

Result<void> OplogTail::pause(Duration span) {
  while (span.count() > 0) {
    TRY(context_.check_stop());
    const Duration nap = std::min<Duration>(span, nap_max);
    context_.clock.sleep_for(nap);
    span -= nap;
  }
  return context_.check_stop();
}

// Opens a new read and judges by its first entry. Nothing: the read is as it should be, or must be
// tried again.
Result<std::optional<TailEvent>> OplogTail::connect() {
  const auto last = this->last();
  const auto choice = std::exchange(choice_, MemberChoice::any);
  first_bytes_.clear();
  if (was_connected_) ++counts_.reconnects;
  TRY(source_.open(last ? last->time.ts : start_, choice));
  const auto first = TRY(wait_for_first());
  if (last) return continue_behind(*last, first);
  return begin_at_start(first);
}

// A majority read may lag behind the wish to read for a moment.
Result<std::optional<SeenEntry>> OplogTail::wait_for_first() {
  const auto entry = TRY(source_.next(options_.wait_max));
  if (!entry) return std::optional<SeenEntry>();
  first_bytes_.assign(entry->begin(), entry->end());
  const auto seen = TRY(seen_entry_of(first_bytes_));
  return std::optional(seen);
}

Result<std::optional<TailEvent>> OplogTail::begin_at_start(const std::optional<SeenEntry>& first) {
  const auto oldest = TRY(source_.oldest());
  if (!oldest) return fail(ErrorCode::server_unreachable, "the oplog has no entry yet");
  oldest_ = oldest->time.ts;
  if (first && oldest->time.ts > start_)
    return std::optional(TailEvent(TailGap{{}, oldest->time.ts, false}));
  is_connected_ = true;
  was_connected_ = true;
  return std::optional<TailEvent>();
}

Result<std::optional<TailEvent>> OplogTail::continue_behind(const SeenEntry& last,
                                                            const std::optional<SeenEntry>& first) {
  if (!first) return judge_nothing(last);
  if (*first == last) return connected(last);
  const auto oldest = TRY(source_.oldest());
  if (!oldest) return fail(ErrorCode::server_unreachable, "the oplog has no entry");
  oldest_ = oldest->time.ts;
  if (oldest->time.ts > last.time.ts)
    return std::optional(TailEvent(TailGap{last.time, oldest->time.ts, false}));
  return walk_back(last, oldest->time.ts);
}

// On a small oplog the truncation may have passed us between the two reads, so the oldest entry is
// looked at once more.
Result<std::optional<TailEvent>> OplogTail::connected(const SeenEntry& last) {
  const auto oldest = TRY(source_.oldest());
  if (!oldest) return fail(ErrorCode::server_unreachable, "the oplog has no entry");
  oldest_ = oldest->time.ts;
  if (oldest->time.ts > last.time.ts)
    return std::optional(TailEvent(TailGap{last.time, oldest->time.ts, false}));
  first_bytes_.clear();
  is_connected_ = true;
  behind_since_.reset();
  if (!std::exchange(was_connected_, true)) return std::optional<TailEvent>();
  return std::optional(TailEvent(TailReconnected{std::exchange(why_, {})}));
}

// There is nothing at or behind our last entry: this member is behind us, or it went another way.
// A rollback needs an election, and that shows in the term.
Result<std::optional<TailEvent>> OplogTail::judge_nothing(const SeenEntry& last) {
  const auto newest = TRY(source_.newest());
  if (!newest || newest->time.ts >= last.time.ts)
    return fail(ErrorCode::server_unreachable, "the read of the oplog began with nothing");
  const Duration now = context_.clock.monotonic();
  if (!behind_since_) behind_since_ = now;
  const bool is_long = now - *behind_since_ >= options_.behind_max;
  if (is_long && newest->time.term > last.time.term) {
    behind_since_.reset();
    const auto oldest = TRY(source_.oldest());
    if (!oldest) return fail(ErrorCode::server_unreachable, "the oplog has no entry");
    oldest_ = oldest->time.ts;
    return walk_back(last, oldest->time.ts);
  }
  choice_ = MemberChoice::another;
  return fail(ErrorCode::server_unreachable,
              fmt::format("the member's newest entry {} is older than the last captured one {}",
                          oplog::to_text(newest->time.ts), oplog::to_text(last.time.ts)));
}

Result<std::optional<TailEvent>> OplogTail::walk_back(const SeenEntry& last,
                                                      oplog::Timestamp oldest) {
  const auto common = TRY(common_point(oldest));
  if (!common) return std::optional(TailEvent(TailGap{last.time, oldest, true}));
  if (*common == last)
    return fail(ErrorCode::server_unreachable, "the read of the oplog began at a wrong place");
  given_ = *common;
  last_bytes_.clear();
  last_time_ = common->time;
  return std::optional(TailEvent(TailDiverged{*common, last.time}));
}

Result<bool> OplogTail::is_on_server(const SeenEntry& entry) {
  TRY(context_.check_stop());
  const auto found = TRY(source_.find(entry.time.ts));
  return found && *found == entry;
}

// What both have is a beginning of what we have, as far as the server reaches back: so it can be
// found by halving, first over pieces, then over the entries of one.
Result<std::optional<SeenEntry>> OplogTail::common_point(oplog::Timestamp oldest) {
  std::size_t begin = 0;
  std::size_t end = history_.piece_count();
  while (begin < end && history_.last_of(begin).time.ts < oldest) ++begin;
  const std::size_t first_piece = begin;
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    const bool is_there = TRY(is_on_server(history_.last_of(middle)));
    if (is_there)
      begin = middle + 1;
    else
      end = middle;
  }
  std::optional<SeenEntry> common;
  if (begin > first_piece) common = history_.last_of(begin - 1);
  if (begin == history_.piece_count()) return common;
  const std::vector<SeenEntry> entries = TRY(history_.entries_of(begin));
  std::size_t low = 0;
  while (low < entries.size() && entries[low].time.ts < oldest) ++low;
  const std::size_t first_entry = low;
  std::size_t high = entries.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const bool is_there = TRY(is_on_server(entries[middle]));
    if (is_there)
      low = middle + 1;
    else
      high = middle;
  }
  if (low > first_entry) common = entries[low - 1];
  return common;
}

}  // namespace holdfast::dataset
