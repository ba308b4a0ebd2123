#pragma once
// The door to temporary space: sorted runs that did not fit into memory. The implementation with
// unlinked files is dataset/spill_files.hpp; MemorySpill is for tests.
#include <memory>

#include "base/bytes.hpp"

namespace holdfast::oplog {

// One append-only run; destroying it frees its space. One thread.
class SpillRun {
 public:
  virtual ~SpillRun() = default;
  virtual Result<void> append(ByteView bytes) = 0;
  // REQUIRES: offset + out.size() <= what was appended.
  virtual Result<void> read_at(std::uint64_t offset, MutableByteView out) = 0;
};

class SpillStore {
 public:
  virtual ~SpillStore() = default;
  virtual Result<std::unique_ptr<SpillRun>> create() = 0;
};

// Keeps runs in memory: for tests, and where the caller knows that nothing will be spilled.
class MemorySpill final : public SpillStore {
 public:
  Result<std::unique_ptr<SpillRun>> create() override;
};

}  // namespace holdfast::oplog
