#pragma once
// Builds SegmentFacts while raw entries pass by.
#include <memory>

#include "oplog/entry.hpp"
#include "oplog/timeline.hpp"

namespace holdfast::oplog {

// One thread. add() for each raw entry, then finish(). Checks BSON, ts and term order; does not
// interpret: what can not be understood is still kept (docs/oplog_format.md 5.4).
class SegmentScan {
 public:
  // `previous`: facts of the segment before, if known.
  explicit SegmentScan(const SegmentFacts* previous = nullptr);
  SegmentScan(SegmentScan&&) noexcept;
  SegmentScan& operator=(SegmentScan&&) noexcept;
  ~SegmentScan();

  Result<OpTime> add(ByteView entry);
  std::uint64_t entry_count() const;
  SegmentFacts finish();  // REQUIRES: entry_count() > 0

  // Open transactions carry over into the next scan of the same stream (oldest_open).
  SegmentScan next() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

ContentHash hash_of(ByteView bytes);

// ts and t of a raw entry without looking at anything else. Error: malformed.
Result<OpTime> optime_of(ByteView entry);

}  // namespace holdfast::oplog
