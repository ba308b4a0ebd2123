#include "oplog/op_stream.hpp"

#include <algorithm>

#include "bson/compare.hpp"

namespace holdfast::oplog {

namespace {

constexpr std::size_t prefetch_distance = 12;

class BufferStream final : public OpStream {
 public:
  BufferStream(const OpBuffer& buffer, std::size_t first, std::size_t end)
      : buffer_(buffer), at_(first), end_(end) {}

  Result<const OpRecord*> next() override {
    if (at_ == end_) return nullptr;
    buffer_.prefetch(at_ + prefetch_distance);
    op_ = buffer_.at(at_++);
    return &op_;
  }

 private:
  const OpBuffer& buffer_;
  std::size_t at_;
  std::size_t end_;
  OpRecord op_;
};

class RunStream final : public OpStream {
 public:
  RunStream(const SpilledRun& run, const RunSection& section, std::size_t buffer_bytes)
      : file_(*run.file), section_(section), buffer_bytes_(buffer_bytes) {}

  Result<const OpRecord*> next() override {
    if (at_ == held_ && section_.bytes == 0) return nullptr;
    TRY(need(op_header_bytes));
    const std::size_t bytes = encoded_bytes(buffer_.data() + at_);
    TRY(need(bytes));
    op_ = decode(section_.collection, buffer_.data() + at_);
    at_ += bytes;
    return &op_;
  }

 private:
  // Makes `bytes` from at_ on available.
  Result<void> need(std::size_t bytes) {
    const std::size_t left = held_ - at_;
    if (left >= bytes) return {};
    if (bytes - left > section_.bytes)
      return fail(ErrorCode::io, "a spilled run is damaged: an operation reaches beyond its end");
    if (left > 0) std::memmove(buffer_.data(), buffer_.data() + at_, left);
    at_ = 0;
    buffer_.resize(std::max({buffer_.size(), buffer_bytes_, bytes}));
    const auto more =
        static_cast<std::size_t>(std::min<std::uint64_t>(section_.bytes, buffer_.size() - left));
    TRY(file_.read_at(section_.offset, MutableByteView(buffer_).subspan(left, more)));
    section_.offset += more;
    section_.bytes -= more;
    held_ = left + more;
    return {};
  }

  SpillRun& file_;
  RunSection section_;  // what is still to be read
  std::size_t buffer_bytes_;
  Bytes buffer_;
  std::size_t at_ = 0;
  std::size_t held_ = 0;
  OpRecord op_;
};

// A heap of stream numbers by (head's key, number).
class MergedStream final : public OpStream {
 private:
  bool is_later(std::size_t left, std::size_t right) const {
    const auto order = bson::compare_bytes(heads_[left]->key, heads_[right]->key);
    return order == 0 ? left > right : order > 0;
  }
  auto later() const {
    return [this](std::size_t left, std::size_t right) { return is_later(left, right); };
  }

 public:
  explicit MergedStream(std::vector<std::unique_ptr<OpStream>> streams)
      : streams_(std::move(streams)), heads_(streams_.size()) {}

  Result<const OpRecord*> next() override {
    if (!is_started_) {
      is_started_ = true;
      for (std::size_t stream = 0; stream < streams_.size(); ++stream) TRY(pull(stream));
    } else if (!heap_.empty()) {
      const std::size_t stream = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), later());
      heap_.pop_back();
      TRY(pull(stream));
    }
    if (heap_.empty()) return nullptr;
    return heads_[heap_.front()];
  }

 private:
  Result<void> pull(std::size_t stream) {
    heads_[stream] = TRY(streams_[stream]->next());
    if (heads_[stream] == nullptr) return {};
    heap_.push_back(stream);
    std::push_heap(heap_.begin(), heap_.end(), later());
    return {};
  }

  std::vector<std::unique_ptr<OpStream>> streams_;
  std::vector<const OpRecord*> heads_;
  std::vector<std::size_t> heap_;
  bool is_started_ = false;
};

}  // namespace

const RunSection* SpilledRun::find(CollectionNumber collection) const {
  const auto found = std::lower_bound(sections.begin(), sections.end(), collection,
                                      [](const RunSection& section, CollectionNumber wanted) {
                                        return section.collection < wanted;
                                      });
  return found != sections.end() && found->collection == collection ? &*found : nullptr;
}

RunWriter::RunWriter(std::unique_ptr<SpillRun> file, std::size_t buffer_bytes)
    : buffer_bytes_(buffer_bytes) {
  run_.file = std::move(file);
}

Result<RunWriter> RunWriter::make(SpillStore& spill, std::size_t buffer_bytes) {
  auto file = TRY(spill.create());
  return RunWriter(std::move(file), buffer_bytes);
}

Result<void> RunWriter::add(const OpRecord& op) {
  const std::size_t bytes = encoded_bytes(op);
  const bool is_new = run_.sections.empty() || run_.sections.back().collection != op.collection;
  if (is_new) run_.sections.push_back({op.collection, run_.bytes, 0});
  if (buffer_.size() + bytes > buffer_bytes_) TRY(flush());
  const std::size_t at = buffer_.size();
  buffer_.resize(at + bytes);
  encode(op, buffer_.data() + at);
  run_.sections.back().bytes += bytes;
  run_.bytes += bytes;
  return {};
}

Result<void> RunWriter::flush() {
  if (!buffer_.empty()) TRY(run_.file->append(buffer_));
  buffer_.clear();
  return {};
}

Result<SpilledRun> RunWriter::finish() {
  TRY(flush());
  return std::move(run_);
}

std::unique_ptr<OpStream> stream_of(const OpBuffer& buffer, CollectionNumber collection) {
  const std::size_t first = buffer.first_of_collection(collection);
  return std::make_unique<BufferStream>(buffer, first, buffer.first_of_collection(collection + 1));
}

std::unique_ptr<OpStream> stream_of(const SpilledRun& run, const RunSection& section,
                                    std::size_t buffer_bytes) {
  return std::make_unique<RunStream>(run, section, buffer_bytes);
}

std::unique_ptr<OpStream> merge(std::vector<std::unique_ptr<OpStream>> streams) {
  if (streams.size() == 1) return std::move(streams.front());
  return std::make_unique<MergedStream>(std::move(streams));
}

}  // namespace holdfast::oplog
