#pragma once
// An oplog in memory that does what a test tells it: grows, loses its beginning, goes another way,
// cuts connections, lags behind.
#include <algorithm>
#include <deque>
#include <functional>

#include "base/clock.hpp"
#include "dataset/oplog_source.hpp"

namespace holdfast::test {

// One thread. `entries` is what the member has; change it between calls or in `before_read`.
class ScriptedOplog final : public dataset::OplogSource {
 public:
  explicit ScriptedOplog(Clock& clock) : clock_(clock) {}

  std::vector<Bytes> entries;
  std::vector<Bytes> entries_of_other_member;  // when not empty: what MemberChoice::another reads
  std::function<void(ScriptedOplog&)> before_read;  // at every next()
  std::deque<ErrorCode> failures;                   // of the next calls of next()
  std::deque<ErrorCode> open_failures;
  std::uint64_t open_count = 0;
  std::uint64_t find_count = 0;

  Result<void> open(oplog::Timestamp from, dataset::MemberChoice choice) override {
    ++open_count;
    is_open_ = false;
    if (!open_failures.empty()) return fail(take(open_failures), "scripted");
    if (choice == dataset::MemberChoice::another && !entries_of_other_member.empty())
      entries.swap(entries_of_other_member);
    from_ = from;
    is_after_ = false;
    is_open_ = true;
    return {};
  }

  Result<std::optional<ByteView>> next(std::chrono::milliseconds wait_max) override {
    if (!is_open_) return fail(ErrorCode::server_unreachable, "not open");
    if (before_read) before_read(*this);
    if (!failures.empty()) {
      is_open_ = false;
      return fail(take(failures), "scripted");
    }
    for (const Bytes& entry : entries) {
      const auto at = time_of(entry);
      if (is_after_ ? at <= from_ : at < from_) continue;
      from_ = at;
      is_after_ = true;
      current_ = entry;
      return std::optional<ByteView>(current_);
    }
    clock_.sleep_for(wait_max);
    return std::optional<ByteView>();
  }

  Result<std::optional<dataset::SeenEntry>> oldest() override {
    if (entries.empty()) return std::optional<dataset::SeenEntry>();
    const auto seen = TRY(dataset::seen_entry_of(entries.front()));
    return std::optional(seen);
  }
  Result<std::optional<dataset::SeenEntry>> newest() override {
    if (entries.empty()) return std::optional<dataset::SeenEntry>();
    const auto seen = TRY(dataset::seen_entry_of(entries.back()));
    return std::optional(seen);
  }
  Result<std::optional<dataset::SeenEntry>> find(oplog::Timestamp at) override {
    ++find_count;
    for (const Bytes& entry : entries)
      if (time_of(entry) == at) return seen(entry);
    return std::optional<dataset::SeenEntry>();
  }
  Result<oplog::Timestamp> start_for_base() override {
    if (entries.empty()) return fail(ErrorCode::unsupported, "the oplog is empty");
    return time_of(entries.back());
  }
  Result<dataset::OplogFacts> facts() override {
    return dataset::OplogFacts{"rs0", "scripted:1", "5.0.0", {}};
  }

  static oplog::Timestamp time_of(const Bytes& entry) {
    return bson::Document::trusted(entry).find("ts")->as_timestamp();
  }

 private:
  static Result<std::optional<dataset::SeenEntry>> seen(const Bytes& entry) {
    const auto found = TRY(dataset::seen_entry_of(entry));
    return std::optional(found);
  }
  static ErrorCode take(std::deque<ErrorCode>& from) {
    const ErrorCode code = from.front();
    from.pop_front();
    return code;
  }

  Clock& clock_;
  Bytes current_;
  oplog::Timestamp from_;
  bool is_after_ = false;  // from_ was handed out
  bool is_open_ = false;
};

}  // namespace holdfast::test
