#pragma once
// Sorts any number of operations in bounded memory: a buffer, and sorted runs spilled when it is
// full. While spilling, operations on one document are folded (docs/oplog_format.md 6.2).
#include <functional>

#include "oplog/document_state.hpp"
#include "oplog/op_stream.hpp"

namespace holdfast::oplog {

constexpr std::size_t runs_max = 64;  // beyond that, runs are merged into one

// What to do with a collection's operations when they are spilled.
enum class Folding : std::uint8_t {
  fold,
  keep,  // capped collections need every operation
  drop   // the collection is gone
};

// One thread. add() .. finish() .. stream() once per collection.
class OpSorter {
 public:
  // `folding` is asked at every spill. The sorter uses about `memory_bytes`.
  OpSorter(SpillStore& spill, std::size_t memory_bytes, Anomalies& anomalies,
           std::function<Folding(CollectionNumber)> folding);

  Result<void> add(const OpRecord& op);
  void finish() { buffer_.sort(); }
  bool has(CollectionNumber collection) const;
  std::unique_ptr<OpStream> stream(CollectionNumber collection) const;

  std::uint64_t spilled_bytes() const { return spilled_bytes_; }
  std::uint64_t spilled_run_count() const { return spilled_run_count_; }
  std::uint64_t binary_patch_count() const { return state_.binary_patch_count(); }

 private:
  Result<void> spill_buffer();
  Result<void> merge_runs();
  Result<void> write_collection(OpStream& stream, Folding folding, RunWriter& to);
  Result<void> keep_run(RunWriter& writer);

  SpillStore& spill_;
  std::size_t io_bytes_;
  OpBuffer buffer_;
  std::function<Folding(CollectionNumber)> folding_;
  DocumentState state_;
  std::vector<SpilledRun> runs_;
  std::uint64_t spilled_bytes_ = 0;
  std::uint64_t spilled_run_count_ = 0;
};

}  // namespace holdfast::oplog
