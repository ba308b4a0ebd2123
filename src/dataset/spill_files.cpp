#include "dataset/spill_files.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t buffer_bytes_max = std::size_t{1} << 20;

class FileRun final : public oplog::SpillRun {
 public:
  explicit FileRun(Fd file) : file_(std::move(file)) {}

  Result<void> append(ByteView bytes) override {
    holdfast::append(buffer_, bytes);
    if (buffer_.size() < buffer_bytes_max) return {};
    return flush();
  }

  Result<void> read_at(std::uint64_t offset, MutableByteView out) override {
    if (!buffer_.empty()) TRY(flush());
    const std::size_t got = TRY(read_up_to_at(file_.get(), out, offset));
    if (got != out.size()) return fail(ErrorCode::io, "a temporary file is shorter than written");
    return {};
  }

 private:
  Result<void> flush() {
    TRY(write_all_at(file_.get(), buffer_, written_));
    written_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  Fd file_;
  Bytes buffer_;
  std::uint64_t written_ = 0;
};

}  // namespace

Result<std::unique_ptr<oplog::SpillRun>> SpillFiles::create() {
  Fd file = TRY(make_temp_file(directory_));
  return std::unique_ptr<oplog::SpillRun>(std::make_unique<FileRun>(std::move(file)));
}

}  // namespace holdfast::dataset
