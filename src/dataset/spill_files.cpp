#include "dataset/spill_files.hpp"

#include <fmt/format.h>

#include "dataset/temp_file.hpp"

namespace holdfast::dataset {

namespace {

class FileRun final : public oplog::SpillRun {
 public:
  explicit FileRun(Fd file) : file_(std::move(file)) {}

  Result<void> append(ByteView bytes) override {
    TRY(write_all_at(file_.get(), bytes, size_));
    size_ += bytes.size();
    return {};
  }

  Result<void> read_at(std::uint64_t offset, MutableByteView out) override {
    const auto count = TRY(read_up_to_at(file_.get(), out, offset));
    if (count == out.size()) return {};
    return fail(ErrorCode::io,
                fmt::format("a spilled run of {} bytes ends at {}", size_, offset + count));
  }

 private:
  Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace

Result<std::unique_ptr<oplog::SpillRun>> SpillFiles::create() {
  auto file = TRY(make_temp_file(directory_));
  return std::make_unique<FileRun>(std::move(file));
}

}  // namespace holdfast::dataset
