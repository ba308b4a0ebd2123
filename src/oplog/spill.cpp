#include "oplog/spill.hpp"

#include <algorithm>

namespace holdfast::oplog {

namespace {

class MemoryRun final : public SpillRun {
 public:
  Result<void> append(ByteView bytes) override {
    holdfast::append(bytes_, bytes);
    return {};
  }
  Result<void> read_at(std::uint64_t offset, MutableByteView out) override {
    if (offset + out.size() > bytes_.size())
      return fail(ErrorCode::io, "a spilled run ends too early");
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }

 private:
  Bytes bytes_;
};

}  // namespace

Result<std::unique_ptr<SpillRun>> MemorySpill::create() {
  return std::make_unique<MemoryRun>();
}

}  // namespace holdfast::oplog
