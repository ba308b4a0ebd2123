#include "recover/difference_spool.hpp"

#include <algorithm>
#include <array>

namespace holdfast::recover {

namespace {

constexpr std::size_t header_bytes = 9;  // kind, length of then, length of now

}  // namespace

Result<void> DifferenceSpool::add(DifferenceKind kind, ByteView then, ByteView now) {
  std::array<std::uint8_t, header_bytes> header{};
  header[0] = static_cast<std::uint8_t>(kind);
  store_le(header.data() + 1, static_cast<std::uint32_t>(then.size()));
  store_le(header.data() + 5, static_cast<std::uint32_t>(now.size()));
  append(pending_, header);
  append(pending_, then);
  append(pending_, now);
  ++count_;
  return pending_.size() < spool_memory_bytes_max ? Result<void>() : spill_pending();
}

void DifferenceSpool::clear() {
  run_.reset();
  spilled_bytes_ = 0;
  pending_.clear();
  count_ = 0;
}

Result<void> DifferenceSpool::spill_pending() {
  if (!run_) run_ = TRY(spill_->create());
  TRY(run_->append(pending_));
  spilled_bytes_ += pending_.size();
  pending_.clear();
  return {};
}

Result<void> DifferenceSpool::replay(
    const std::function<Result<void>(const SpooledDifference&)>& take) {
  // What was spilled is read record by record: whole pieces were written, so no record is split
  // between the run and `pending_`.
  Bytes record;
  std::uint64_t at = 0;
  const std::uint64_t end = spilled_bytes_ + pending_.size();
  const auto read = [&](std::uint64_t from, MutableByteView out) -> Result<void> {
    if (from < spilled_bytes_) return run_->read_at(from, out);
    std::copy_n(pending_.data() + (from - spilled_bytes_), out.size(), out.data());
    return {};
  };
  while (at < end) {
    std::array<std::uint8_t, header_bytes> header{};
    TRY(read(at, header));
    const auto then_bytes = load_le<std::uint32_t>(header.data() + 1);
    const auto now_bytes = load_le<std::uint32_t>(header.data() + 5);
    record.resize(std::size_t{then_bytes} + now_bytes);
    TRY(read(at + header_bytes, record));
    at += header_bytes + record.size();
    const auto both = ByteView(record);
    TRY(take({static_cast<DifferenceKind>(header[0]), both.first(then_bytes),
              both.subspan(then_bytes)}));
  }
  return {};
}

}  // namespace holdfast::recover
