#pragma once
// Differences of one collection, kept until it is certain that they are right: in memory while they
// are few, else in temporary space.
#include "oplog/spill.hpp"
#include "recover/compare_mongo.hpp"

namespace holdfast::recover {

constexpr std::size_t spool_memory_bytes_max = std::size_t{4} << 20;

struct SpooledDifference {
  DifferenceKind kind = DifferenceKind::missing;
  ByteView then;
  ByteView now;
};

// One thread; movable. The SpillStore must outlive it.
class DifferenceSpool {
 public:
  explicit DifferenceSpool(oplog::SpillStore& spill) : spill_(&spill) {}

  Result<void> add(DifferenceKind kind, ByteView then, ByteView now);
  void clear();
  std::uint64_t count() const { return count_; }

  // In the order in which they were added; any number of times. Views are valid during the call.
  Result<void> replay(const std::function<Result<void>(const SpooledDifference&)>& take);

 private:
  Result<void> spill_pending();

  oplog::SpillStore* spill_;
  std::unique_ptr<oplog::SpillRun> run_;
  std::uint64_t spilled_bytes_ = 0;
  Bytes pending_;  // behind what is spilled
  std::uint64_t count_ = 0;
};

}  // namespace holdfast::recover
