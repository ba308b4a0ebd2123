#include "oplog/base_cursor.hpp"

#include <fmt/format.h>

#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;

// An empty key for documents without `_id`: no operation can address them.
void key_of_document(Document document, Bytes& key) {
  key.clear();
  const auto id = document.find("_id");
  if (id) bson::append_key(*id, key);
}

// Refuses what a merge by key would silently get wrong.
class AscentCheck {
 public:
  explicit AscentCheck(std::string ns) : ns_(std::move(ns)) {}

  Result<void> accept(ByteView key, Document document) {
    const auto order = bson::compare_bytes(last_, key);
    const bool is_fine = order < 0 || (key.empty() && last_.empty());
    if (!is_fine) {
      const auto id = document.find("_id");
      return fail(ErrorCode::corrupt,
                  fmt::format("base of '{}': _id {} {}", ns_,
                              id ? bson::to_ext_json(*id, bson::JsonForm::relaxed) : "(none)",
                              order == 0 ? "occurs twice" : "is out of order"));
    }
    last_.assign(key.begin(), key.end());
    return {};
  }

 private:
  std::string ns_;
  Bytes last_;
};

Result<std::optional<Document>> next_document(DocumentReader& reader) {
  const auto bytes = TRY(reader.next());
  if (!bytes) return std::nullopt;
  const auto document = TRY(Document::validate(*bytes));
  return document;
}

class ReaderCursor final : public BaseCursor {
 public:
  ReaderCursor(std::unique_ptr<DocumentReader> reader, std::string ns, LeaveOut leave_out)
      : BaseCursor(leave_out == LeaveOut::unchanged ? reader->stretches() : nullptr),
        reader_(std::move(reader)),
        ascent_(std::move(ns)) {}

  Result<const BaseDocument*> next() override {
    const auto document = TRY(next_document(*reader_));
    if (!document) return nullptr;
    key_of_document(*document, key_);
    TRY(ascent_.accept(key_, *document));
    current_ = {key_, document->bytes(), {}};
    return &current_;
  }

 private:
  std::unique_ptr<DocumentReader> reader_;
  AscentCheck ascent_;
  Bytes key_;
  BaseDocument current_;
};

class SortedCursor final : public BaseCursor {
 public:
  SortedCursor(std::string ns, SpillStore& spill, std::size_t memory_bytes, Anomalies& anomalies)
      : sorter_(spill, memory_bytes, anomalies, [](CollectionNumber) { return Folding::keep; }),
        ascent_(std::move(ns)) {}

  Result<void> fill(DocumentReader& reader) {
    Bytes key;
    for (std::uint64_t number = 0;; ++number) {
      const auto document = TRY(next_document(reader));
      if (!document) break;
      key_of_document(*document, key);
      OpRecord op;
      op.order = base_position(number);
      op.key = key;
      op.body = document->bytes();
      TRY(sorter_.add(op));
    }
    sorter_.finish();
    stream_ = sorter_.stream(0);
    return {};
  }

  Result<const BaseDocument*> next() override {
    const OpRecord* op = TRY(stream_->next());
    if (op == nullptr) return nullptr;
    TRY(ascent_.accept(op->key, Document::trusted(op->body)));
    current_ = {op->key, op->body, op->order};
    return &current_;
  }

 private:
  OpSorter sorter_;
  std::unique_ptr<OpStream> stream_;
  AscentCheck ascent_;
  BaseDocument current_;
};

class EmptyCursor final : public BaseCursor {
 public:
  Result<const BaseDocument*> next() override { return nullptr; }
};

}  // namespace

Result<std::unique_ptr<BaseCursor>> open_cursor(std::unique_ptr<DocumentReader> reader,
                                                std::string ns, const CursorTools& tools) {
  if (reader->order() == DocumentOrder::by_id)
    return std::make_unique<ReaderCursor>(std::move(reader), std::move(ns), tools.leave_out);
  auto sorted = std::make_unique<SortedCursor>(std::move(ns), tools.spill, tools.memory_bytes,
                                               tools.anomalies);
  TRY(sorted->fill(*reader));
  return sorted;
}

std::unique_ptr<BaseCursor> empty_cursor() {
  return std::make_unique<EmptyCursor>();
}

OrderKey base_position(std::uint64_t number) {
  return {{}, {static_cast<std::uint32_t>(number >> 32), static_cast<std::uint32_t>(number)}, 0};
}

void append_position_key(const OrderKey& position, Bytes& to) {
  const std::uint32_t words[] = {position.effective.seconds, position.effective.ordinal,
                                 position.entry.seconds, position.entry.ordinal, position.index};
  for (const auto word : words) {
    std::uint8_t raw[4];
    store_be32(raw, word);
    append(to, raw);
  }
}

}  // namespace holdfast::oplog
