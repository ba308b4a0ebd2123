#include "dataset/mongo_sorter.hpp"

#include <algorithm>
#include <queue>

#include "bson/compare.hpp"
#include "bson/key.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t merge_runs_max = 64;
constexpr std::size_t run_buffer_bytes = std::size_t{256} << 10;
constexpr std::size_t record_header_bytes = 8;  // length of key, length of document

// A record: header, key, document, as in memory so on disk.
struct Record {
  ByteView key;
  ByteView document;
};

Record record_at(const std::uint8_t* at) {
  const std::size_t key_bytes = load_le<std::uint32_t>(at);
  const std::size_t document_bytes = load_le<std::uint32_t>(at + 4);
  const std::uint8_t* key = at + record_header_bytes;
  return {{key, key_bytes}, {key + key_bytes, document_bytes}};
}

void append_record(const Record& record, Bytes& to) {
  std::uint8_t header[record_header_bytes];
  store_le(header, static_cast<std::uint32_t>(record.key.size()));
  store_le(header + 4, static_cast<std::uint32_t>(record.document.size()));
  append(to, header);
  append(to, record.key);
  append(to, record.document);
}

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // Valid until the next call; nothing at the end.
  virtual Result<std::optional<Record>> next() = 0;
};

// Documents in memory and the order in which to read them.
class Batch final : public RecordSource {
 public:
  void add(const Record& record) {
    starts_.push_back(bytes_.size());
    append_record(record, bytes_);
  }
  std::size_t bytes() const { return bytes_.size() + starts_.size() * sizeof(std::size_t); }
  bool is_empty() const { return starts_.empty(); }

  void sort() {
    std::stable_sort(starts_.begin(), starts_.end(), [this](std::size_t a, std::size_t b) {
      return bson::compare_bytes(record_at(&bytes_[a]).key, record_at(&bytes_[b]).key) < 0;
    });
  }
  void clear() {
    bytes_.clear();
    starts_.clear();
    at_ = 0;
  }
  Result<std::optional<Record>> next() override {
    if (at_ == starts_.size()) return std::optional<Record>();
    return std::optional<Record>(record_at(&bytes_[starts_[at_++]]));
  }

 private:
  Bytes bytes_;
  std::vector<std::size_t> starts_;
  std::size_t at_ = 0;
};

struct Run {
  std::unique_ptr<oplog::SpillRun> run;
  std::uint64_t bytes = 0;
};

class RunReader final : public RecordSource {
 public:
  explicit RunReader(Run run) : run_(std::move(run)) {}

  Result<std::optional<Record>> next() override {
    if (at_ == run_.bytes) return std::optional<Record>();
    const ByteView header = TRY(view(record_header_bytes));
    const std::size_t size = record_header_bytes + load_le<std::uint32_t>(header.data()) +
                             load_le<std::uint32_t>(header.data() + 4);
    const ByteView whole = TRY(view(size));
    at_ += size;
    begin_ += size;
    return std::optional<Record>(record_at(whole.data()));
  }

 private:
  // `size` bytes at the cursor, from the buffer.
  Result<ByteView> view(std::size_t size) {
    if (end_ - begin_ < size) {
      const std::uint64_t left = run_.bytes - at_;
      const std::size_t wanted = std::max(size, run_buffer_bytes);
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, wanted));
      if (buffer_.size() < part) buffer_.resize(part);
      TRY(run_.run->read_at(at_, MutableByteView(buffer_).first(part)));
      begin_ = 0;
      end_ = part;
    }
    return ByteView(buffer_).subspan(begin_, size);
  }

  Run run_;
  Bytes buffer_;
  std::uint64_t at_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Merges sorted sources; of equal keys the earlier source comes first.
class Merge final : public RecordSource {
 public:
  Result<void> add(std::unique_ptr<RecordSource> source) {
    const auto first = TRY(source->next());
    if (first) heads_.push({*first, sources_.size()});
    sources_.push_back(std::move(source));
    return {};
  }

  Result<std::optional<Record>> next() override {
    if (taken_) {
      const auto record = TRY(sources_[*taken_]->next());
      if (record) heads_.push({*record, *taken_});
      taken_.reset();
    }
    if (heads_.empty()) return std::optional<Record>();
    const Head head = heads_.top();
    heads_.pop();
    taken_ = head.source;
    return std::optional<Record>(head.record);
  }

 private:
  struct Head {
    Record record;
    std::size_t source = 0;
  };
  struct ComesLater {
    bool operator()(const Head& a, const Head& b) const {
      const auto order = bson::compare_bytes(a.record.key, b.record.key);
      return order == 0 ? a.source > b.source : order > 0;
    }
  };

  std::vector<std::unique_ptr<RecordSource>> sources_;
  std::priority_queue<Head, std::vector<Head>, ComesLater> heads_;
  std::optional<std::size_t> taken_;  // whose head is with the caller
};

// Gives the documents, of equal keys only the last.
class LastOfEach final : public DocumentStream {
 public:
  LastOfEach(std::unique_ptr<RecordSource> records, std::uint64_t& duplicates)
      : records_(std::move(records)), duplicates_(duplicates) {}

  Result<std::optional<ByteView>> next() override {
    if (!started_) TRY(advance());
    started_ = true;
    if (!has_ahead_) return std::optional<ByteView>();
    std::swap(key_, ahead_key_);
    std::swap(document_, ahead_document_);
    TRY(advance());
    while (has_ahead_ && !key_.empty() && ahead_key_ == key_) {
      ++duplicates_;
      std::swap(document_, ahead_document_);
      TRY(advance());
    }
    return std::optional<ByteView>(document_);
  }

 private:
  Result<void> advance() {
    const auto record = TRY(records_->next());
    has_ahead_ = record.has_value();
    if (!record) return {};
    ahead_key_.assign(record->key.begin(), record->key.end());
    ahead_document_.assign(record->document.begin(), record->document.end());
    return {};
  }

  std::unique_ptr<RecordSource> records_;
  std::uint64_t& duplicates_;
  bool started_ = false;
  bool has_ahead_ = false;
  Bytes key_, document_, ahead_key_, ahead_document_;
};

}  // namespace

class DocumentSorter::Impl {
 public:
  Impl(oplog::SpillStore& spill, const SortOptions& options) : spill_(spill), options_(options) {}

  Result<void> add(ByteView document) {
    key_.clear();
    id_key_of(bson::Document::trusted(document), key_);
    batch_->add({key_, document});
    if (batch_->bytes() < options_.memory_bytes_max) return {};
    batch_->sort();
    TRY(spill(*batch_));
    batch_->clear();
    return {};
  }

  Result<std::unique_ptr<DocumentStream>> finish() {
    batch_->sort();
    if (runs_.empty()) return wrap(std::move(batch_));
    if (!batch_->is_empty()) TRY(spill(*batch_));
    batch_.reset();
    while (runs_.size() > merge_runs_max) {
      TRY(merge_oldest());
    }
    auto merge = TRY(merge_of(runs_));
    return wrap(std::move(merge));
  }

  std::uint64_t duplicates = 0;

 private:
  std::unique_ptr<DocumentStream> wrap(std::unique_ptr<RecordSource> records) {
    return std::make_unique<LastOfEach>(std::move(records), duplicates);
  }

  static Result<std::unique_ptr<Merge>> merge_of(std::span<Run> runs) {
    auto merge = std::make_unique<Merge>();
    for (Run& run : runs) {
      TRY(merge->add(std::make_unique<RunReader>(std::move(run))));
    }
    return merge;
  }

  // The first runs become one, which takes their place: equal keys keep their order.
  Result<void> merge_oldest() {
    const auto end = runs_.begin() + merge_runs_max;
    auto merge = TRY(merge_of(std::span(runs_).first(merge_runs_max)));
    TRY(spill(*merge));
    Run merged = std::move(runs_.back());
    runs_.pop_back();
    runs_.erase(runs_.begin() + 1, end);
    runs_.front() = std::move(merged);
    return {};
  }

  Result<void> spill(RecordSource& records) {
    Run out;
    out.run = TRY(spill_.create());
    Bytes bytes;
    while (true) {
      const auto record = TRY(records.next());
      if (!record) break;
      bytes.clear();
      append_record(*record, bytes);
      TRY(out.run->append(bytes));
      out.bytes += bytes.size();
    }
    runs_.push_back(std::move(out));
    return {};
  }

  oplog::SpillStore& spill_;
  SortOptions options_;
  std::unique_ptr<Batch> batch_ = std::make_unique<Batch>();
  std::vector<Run> runs_;
  Bytes key_;
};

DocumentSorter::DocumentSorter(oplog::SpillStore& spill, const SortOptions& options)
    : impl_(std::make_unique<Impl>(spill, options)) {}
DocumentSorter::~DocumentSorter() = default;
DocumentSorter::DocumentSorter(DocumentSorter&&) noexcept = default;
DocumentSorter& DocumentSorter::operator=(DocumentSorter&&) noexcept = default;

Result<void> DocumentSorter::add(ByteView document) {
  return impl_->add(document);
}

Result<std::unique_ptr<DocumentStream>> DocumentSorter::finish() {
  return impl_->finish();
}

std::uint64_t DocumentSorter::duplicate_count() const {
  return impl_->duplicates;
}

void id_key_of(bson::Document document, Bytes& key) {
  const auto id = document.find("_id");
  if (id) bson::append_key(*id, key);
}

}  // namespace holdfast::dataset
