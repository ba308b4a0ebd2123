#pragma once
// Following an oplog without ever missing that an entry was missed (docs/oplog_format.md 7.2 to
// 7.5): a state machine over an OplogSource. What happens is told as values; only what nobody can
// go on from is an Error.
#include <variant>

#include "base/context.hpp"
#include "dataset/oplog_source.hpp"

namespace holdfast::dataset {

// What was captured before, as far as it is kept: where a rolled-back history is compared with the
// true one. Pieces are consecutive, oldest first.
class CapturedHistory {
 public:
  virtual ~CapturedHistory() = default;
  virtual std::size_t piece_count() const = 0;
  virtual SeenEntry last_of(std::size_t piece) const = 0;
  // All entries of a piece, ascending. A piece is as long as a segment at most.
  virtual Result<std::vector<SeenEntry>> entries_of(std::size_t piece) = 0;
};

struct TailOptions {
  std::chrono::milliseconds wait_max{1000};       // until `idle` is told
  std::chrono::milliseconds back_off_first{200};  // doubles with every failure in a row
  std::chrono::milliseconds back_off_max{10'000};
  std::uint32_t failures_max = 120;      // in a row: about 20 minutes; then the error
  std::chrono::seconds behind_max{120};  // waiting for a member that is behind us
};

// The next entry; its bytes are valid until the next call.
struct TailEntry {
  oplog::OpTime time;
  ByteView bytes;
};
// Nothing new came within the wait.
struct TailIdle {};
// History between the two is lost for ever: the chain ends at `last` (docs/oplog_format.md 7.3).
// The tail is at its end: make a new one.
struct TailGap {
  oplog::OpTime last;   // captured; null: nothing was, and the start that was asked for is gone
  oplog::Timestamp to;  // the oldest entry that can still be read
  // The server contradicts what was captured, but what both had in common is no longer on it: how
  // much of the captured end was rolled back can not be told.
  bool is_rolled_back = false;
};
// What was captured after `common`, up to `until`, was rolled back (docs/oplog_format.md 7.4). The
// tail goes on behind `common`.
struct TailDiverged {
  SeenEntry common;
  oplog::OpTime until;
};
// The connection was lost and is there again; nothing was missed.
struct TailReconnected {
  std::string why;
};
// The server can not be read at the moment: what was captured can be made safe meanwhile. The next
// calls try again.
struct TailAway {
  std::string why;
};
using TailEvent =
    std::variant<TailEntry, TailIdle, TailGap, TailDiverged, TailReconnected, TailAway>;

struct TailCounts {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t reconnects = 0;
};

// One thread. Source, history and context must outlive it. Waits go through Context::clock and end
// early when the context says stop.
class OplogTail {
 public:
  // Behind the last captured entry.
  OplogTail(OplogSource& source, CapturedHistory& history, Context& context, const SeenEntry& last,
            const TailOptions& options = {});
  // Nothing is captured: from the entry at `start` on.
  OplogTail(OplogSource& source, CapturedHistory& history, Context& context, oplog::Timestamp start,
            const TailOptions& options = {});

  // Errors: interrupted, denied, unsupported, malformed (an entry that is none, or that is out of
  // order again after new starts), server_unreachable after failures_max.
  Result<TailEvent> next();

  // The last entry that was handed out or given at the begin.
  std::optional<SeenEntry> last() const;
  const TailCounts& counts() const { return counts_; }
  oplog::Timestamp oldest_seen() const { return oldest_; }  // on the server, at the last connect

 private:
  Result<std::optional<TailEvent>> connect();
  Result<std::optional<TailEvent>> begin_at_start(const std::optional<SeenEntry>& first);
  Result<std::optional<TailEvent>> continue_behind(const SeenEntry& last,
                                                   const std::optional<SeenEntry>& first);
  Result<std::optional<TailEvent>> judge_nothing(const SeenEntry& last);
  Result<std::optional<SeenEntry>> wait_for_first();
  Result<std::optional<TailEvent>> connected(const SeenEntry& last);
  Result<std::optional<TailEvent>> walk_back(const SeenEntry& last, oplog::Timestamp oldest);
  Result<std::optional<SeenEntry>> common_point(oplog::Timestamp oldest);
  Result<bool> is_on_server(const SeenEntry& entry);
  Result<TailEvent> hand_out(ByteView bytes, oplog::OpTime time);
  Result<TailEvent> away(Error error);
  Result<void> pause(Duration span);

  OplogSource& source_;
  CapturedHistory& history_;
  Context& context_;
  TailOptions options_;
  std::optional<SeenEntry> given_;  // before anything was handed out
  Bytes last_bytes_;                // handed out last
  oplog::OpTime last_time_;
  oplog::Timestamp start_;
  oplog::Timestamp oldest_;
  Bytes first_bytes_;  // read by a check and not handed out yet
  bool is_connected_ = false;
  bool was_connected_ = false;
  MemberChoice choice_ = MemberChoice::any;
  std::uint32_t failures_ = 0;            // in a row
  std::uint32_t disorders_ = 0;           // in a row
  Duration retry_at_{};                   // monotonic
  std::optional<Duration> behind_since_;  // monotonic
  std::string why_;                       // the last connection ended
  TailCounts counts_;
};

}  // namespace holdfast::dataset
