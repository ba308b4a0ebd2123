#pragma once
// Events of a change stream as oplog entries: the source where nobody may read the oplog (shared
// tiers). Facts about events: the MongoDB manual, "Change Events"; what comes out obeys
// docs/oplog_format.md. Pure; the same events give the same bytes, so that a stream can be taken up
// again.
//
// Needs a stream over the whole cluster with showExpandedEvents of a server 6.0 or later: before,
// events do not tell the UUID of their collection. Limits: docs/known-limitations.md.
#include <optional>
#include <vector>

#include "oplog/order.hpp"

namespace holdfast::oplog {

// All that is kept of one moment until it is complete.
constexpr std::size_t change_group_bytes_max = std::size_t{15} << 20;

// Collects the events of one moment (a transaction has many) into one entry. One thread.
class ChangeEvents {
 public:
  // Takes an event. Gives the entry of the moment before, if this event is the first of a later
  // one. Errors: malformed (no event, or time goes back), unsupported (no UUID; a path that means
  // two things; an event nobody knows), limit_exceeded (a transaction of more than
  // change_group_bytes_max), history_lost (the stream was invalidated).
  Result<std::optional<Bytes>> add(bson::Document event);

  // Every event before `time` was added: the entry that is complete thereby. Without one a no-op
  // right before `time`, if that is later than everything so far.
  std::optional<Bytes> advance_to(Timestamp time);

  // A no-op at a moment that has no events. REQUIRES: later than the last entry, nothing collected.
  Bytes pass(Timestamp at);

  // The entry of the moment that has events now, whether or not it is complete.
  std::optional<Bytes> finish();
  // Of the last entry that was given.
  Timestamp last() const { return last_; }

 private:
  Bytes take_group();

  Timestamp time_;                 // of the group
  std::vector<Bytes> operations_;  // without ts, as applyOps lists them
  Bytes wall_;                     // {wall: …} of the first event; empty: it had none
  std::size_t operation_bytes_ = 0;
  Timestamp last_;
};

// What a moment without events gives.
Bytes change_noop(Timestamp at);

// The moment of a resume token ({_data: "82…"}): no event before it is still to come. Nothing: a
// token of another form.
std::optional<Timestamp> time_of_token(bson::Document token);

// {$v: 2, diff: …} of an updateDescription; no bytes when nothing changes. Error unsupported for a
// path that is a field of an object or an index of an array, and the event does not tell which.
Result<Bytes> update_of(bson::Document description);

}  // namespace holdfast::oplog
