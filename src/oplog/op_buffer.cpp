#include "oplog/op_buffer.hpp"

#include <algorithm>

#include "bson/compare.hpp"

namespace holdfast::oplog {

namespace {

constexpr std::size_t block_bytes_min = 512;

std::uint64_t key_word(ByteView key, std::size_t from) {
  if (key.size() >= from + 8) return load_be64(key.data() + from);
  std::uint8_t padded[8] = {};
  if (key.size() > from) std::memcpy(padded, key.data() + from, key.size() - from);
  return load_be64(padded);
}

}  // namespace

OpBuffer::OpBuffer(std::size_t bytes) : block_(std::max(bytes & ~std::size_t{7}, block_bytes_min)) {
  static_assert(sizeof(Record) == 24);
}

std::span<OpBuffer::Record> OpBuffer::records() {
  auto* end = reinterpret_cast<Record*>(block_.data() + block_.size());
  return {end - count_, count_};
}

std::span<const OpBuffer::Record> OpBuffer::records() const {
  const auto* end = reinterpret_cast<const Record*>(block_.data() + block_.size());
  return {end - count_, count_};
}

void OpBuffer::clear() {
  used_ = 0;
  count_ = 0;
}

bool OpBuffer::add(const OpRecord& op) {
  const std::size_t bytes = encoded_bytes(op);
  if (used_ + bytes + (count_ + 1) * sizeof(Record) > block_.size()) {
    if (count_ != 0) return false;
    block_.resize(bytes + sizeof(Record));
  }
  encode(op, block_.data() + used_);
  ++count_;
  records().front() = {key_word(op.key, 0), key_word(op.key, 8), op.collection,
                       static_cast<std::uint32_t>(used_ / 8)};
  used_ += bytes;
  return true;
}

// Keys are prefix-free: equal first 16 bytes mean equal keys, or two keys longer than that.
bool OpBuffer::is_before(const Record& left, const Record& right) const {
  if (left.collection != right.collection) return left.collection < right.collection;
  if (left.high != right.high) return left.high < right.high;
  if (left.low != right.low) return left.low < right.low;
  const auto rest = [&](const Record& record) {
    const std::uint8_t* op = block_.data() + std::size_t{record.place} * 8;
    const std::size_t key_bytes = load_le<std::uint32_t>(op);
    return key_bytes <= 16 ? ByteView() : ByteView(op + op_header_bytes + 16, key_bytes - 16);
  };
  const auto order = bson::compare_bytes(rest(left), rest(right));
  return order == 0 ? left.place < right.place : order < 0;
}

void OpBuffer::sort() {
  const auto all = records();
  std::sort(all.begin(), all.end(),
            [this](const Record& left, const Record& right) { return is_before(left, right); });
}

OpRecord OpBuffer::at(std::size_t position) const {
  const Record& record = records()[position];
  return decode(record.collection, block_.data() + std::size_t{record.place} * 8);
}

void OpBuffer::prefetch(std::size_t position) const {
  constexpr std::size_t cache_line_bytes = 64;
  if (position >= count_) return;
  const std::uint8_t* op = block_.data() + std::size_t{records()[position].place} * 8;
  __builtin_prefetch(op);
  __builtin_prefetch(op + cache_line_bytes);
}

std::size_t OpBuffer::end_of_collection(std::size_t first) const {
  return first_of_collection(collection_at(first) + 1);
}

std::size_t OpBuffer::first_of_collection(CollectionNumber collection) const {
  const auto all = records();
  const auto found = std::lower_bound(
      all.begin(), all.end(), collection,
      [](const Record& record, CollectionNumber wanted) { return record.collection < wanted; });
  return static_cast<std::size_t>(found - all.begin());
}

}  // namespace holdfast::oplog
