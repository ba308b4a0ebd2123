#pragma once
// Appends BSON elements to a reusable buffer; the hot path of update application. Differs from
// bson::Builder in that whole stretches of a pre-image are copied at once and growth is bounded.
#include "bson/view.hpp"

namespace holdfast::oplog {

// Post-images may exceed the server's limit slightly; beyond this they are an attack or corruption.
constexpr std::size_t post_image_bytes_max = 64 * 1024 * 1024;

// One thread. Not a root document by itself: open_root() .. close().
class DocumentWriter {
 public:
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  bool is_too_large() const { return size_ > post_image_bytes_max; }

  // A position to be given back to close().
  std::size_t open_root() { return open_at(reserve(4)); }
  std::size_t open(bson::Type type, std::string_view name) {
    header(type, name, 4);
    return open_at(at_end(4));
  }
  void close(std::size_t start) {
    *reserve(1) = 0;
    store_le(buffer_.data() + start, static_cast<std::uint32_t>(size_ - start));
  }

  void raw(const std::uint8_t* from, std::size_t count) {
    std::memcpy(reserve(count), from, count);
  }
  void raw(ByteView bytes) { raw(bytes.data(), bytes.size()); }
  void element(std::string_view name, const bson::Value& value) {
    header(value.type, name, value.bytes.size());
    if (!value.bytes.empty())
      std::memcpy(at_end(value.bytes.size()), value.bytes.data(), value.bytes.size());
  }
  void null(std::string_view name) { header(bson::Type::null, name, 0); }

  // Valid until the next change.
  bson::Document document() const { return bson::Document::trusted({buffer_.data(), size_}); }
  // Writes over what is there. REQUIRES: the range was written.
  MutableByteView written(std::size_t from, std::size_t count) {
    return {buffer_.data() + from, count};
  }

 private:
  std::uint8_t* reserve(std::size_t count) {
    if (size_ + count > buffer_.size()) grow(count);
    std::uint8_t* at = buffer_.data() + size_;
    size_ += count;
    return at;
  }
  std::uint8_t* at_end(std::size_t back) { return buffer_.data() + size_ - back; }
  std::size_t open_at(const std::uint8_t* at) const {
    return static_cast<std::size_t>(at - buffer_.data());
  }
  void header(bson::Type type, std::string_view name, std::size_t value_bytes) {
    std::uint8_t* at = reserve(name.size() + 2 + value_bytes);
    *at++ = static_cast<std::uint8_t>(type);
    if (!name.empty()) std::memcpy(at, name.data(), name.size());
    at[name.size()] = 0;
  }
  void grow(std::size_t count) { buffer_.resize((size_ + count) * 2 + 512); }

  Bytes buffer_;  // its size is our capacity
  std::size_t size_ = 0;
};

// The names "0", "1", ... of array elements, counted up in place.
class ArrayNames {
 public:
  std::string_view text() const { return {digits_ + begin_, 20 - begin_}; }
  std::uint64_t index() const { return index_; }
  void advance() {
    ++index_;
    std::size_t at = 19;
    while (digits_[at] == '9' && at > begin_) digits_[at--] = '0';
    if (digits_[at] != '9') {
      ++digits_[at];
      return;
    }
    digits_[at] = '0';
    digits_[--begin_] = '1';
  }

 private:
  char digits_[20] = {'0', '0', '0', '0', '0', '0', '0', '0', '0', '0',
                      '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'};
  std::size_t begin_ = 19;
  std::uint64_t index_ = 0;
};

}  // namespace holdfast::oplog
