#include "recover/live_documents.hpp"

#include <fmt/format.h>
#include <utility>

#include "base/channel.hpp"
#include "base/task_group.hpp"
#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "mongo/cursor.hpp"
#include "recover/primary_link.hpp"

namespace holdfast::recover {

namespace {

Bytes by_id() {
  bson::Builder builder;
  builder.append_int32("_id", 1);
  return builder.take();
}

mongo::FindRequest find_request(const LiveRequest& request) {
  constexpr std::int32_t ids_in_a_batch = 20'000;
  mongo::FindRequest find;
  find.db = request.db;
  find.collection = request.collection;
  find.filter = request.filter;
  if (request.order == LiveOrder::by_server) find.sort = by_id();
  if (request.fields == LiveFields::id_only) {
    find.projection = by_id();
    find.batch_count = ids_in_a_batch;
  }
  return find;
}

}  // namespace

class LiveDocuments::Impl {
 public:
  Impl(mongo::Deployment& live, oplog::SpillStore& spill, LiveRequest request, Context& context)
      : link_(live, context), spill_(spill), request_(std::move(request)), context_(context) {}

  ~Impl() {
    reader_.request_stop();
    pieces_.close();
  }

  Result<const LiveDocument*> next() {
    if (!is_started_) TRY(start());
    const auto document = TRY(sorted_ ? sorted_->next() : read());
    if (!document) return nullptr;
    key_.swap(last_key_);
    key_.clear();
    dataset::id_key_of(bson::Document::trusted(*document), key_);
    if (count_ > 0 && bson::compare_bytes(last_key_, key_) >= 0 && !key_.empty()) {
      is_out_of_order_ = true;
      return fail(ErrorCode::anomaly, fmt::format("{}.{} does not come in the order of its _id",
                                                  request_.db, request_.collection));
    }
    ++count_;
    current_ = {key_, *document};
    return &current_;
  }

  bool is_out_of_order() const { return is_out_of_order_; }

 private:
  Result<void> start() {
    is_started_ = true;
    reader_.start([this](const std::stop_token& stop) { return read_ahead(stop); });
    if (request_.order == LiveOrder::by_server) return {};
    sorter_.emplace(spill_);
    while (true) {
      const auto document = TRY(read());
      if (!document) break;
      TRY(sorter_->add(*document));
    }
    sorted_ = TRY(sorter_->finish());
    return {};
  }

  // On the thread that reads ahead.
  Result<void> read_ahead(const std::stop_token& stop) {
    auto done = link_.read([&](mongo::Connection& connection) { return fill(connection, stop); });
    pieces_.close();
    return done;
  }

  // After a cut it begins again: what was handed on is passed over where the server sorts, and
  // dropped by the sorter where we do.
  Result<void> fill(mongo::Connection& connection, const std::stop_token& stop) {
    auto cursor = TRY(mongo::Cursor::open(connection, find_request(request_)));
    Bytes piece;
    Bytes key;
    bool is_passing_over = request_.order == LiveOrder::by_server && handed_on_.has_value();
    while (!stop.stop_requested()) {
      TRY(context_.check_stop());
      const auto document = TRY(cursor.next());
      if (document) {
        key.clear();
        dataset::id_key_of(bson::Document::trusted(*document), key);
        is_passing_over = is_passing_over && bson::compare_bytes(key, *handed_on_) <= 0;
        if (is_passing_over) continue;
        append(piece, *document);
      }
      const bool is_full = piece.size() >= read_ahead_bytes || !document;
      if (is_full && !piece.empty()) {
        if (!pieces_.push(std::exchange(piece, {}))) return {};
        handed_on_ = key;
      }
      if (!document) return {};
    }
    return {};
  }

  // The cursor has validated the documents.
  Result<std::optional<ByteView>> read() {
    if (at_ == piece_.size()) {
      auto piece = pieces_.pop();
      if (!piece) {
        TRY(reader_.wait());
        return std::optional<ByteView>();
      }
      piece_ = std::move(*piece);
      at_ = 0;
    }
    const auto bytes = static_cast<std::size_t>(load_le<std::uint32_t>(piece_.data() + at_));
    const auto document = ByteView(piece_).subspan(at_, bytes);
    at_ += bytes;
    return std::optional<ByteView>(document);
  }

  PrimaryLink link_;
  oplog::SpillStore& spill_;
  LiveRequest request_;
  Context& context_;
  std::optional<Bytes> handed_on_;  // K(_id) of the last document in a piece; by the reader
  Channel<Bytes> pieces_{pieces_waiting_max};
  Bytes piece_;
  std::size_t at_ = 0;
  bool is_started_ = false;
  bool is_out_of_order_ = false;
  std::optional<dataset::DocumentSorter> sorter_;
  std::unique_ptr<dataset::DocumentStream> sorted_;
  std::uint64_t count_ = 0;
  Bytes key_;
  Bytes last_key_;
  LiveDocument current_;
  TaskGroup reader_;  // last: joined before the rest goes
};

LiveDocuments::LiveDocuments(mongo::Deployment& live, oplog::SpillStore& spill, LiveRequest request,
                             Context& context)
    : impl_(std::make_unique<Impl>(live, spill, std::move(request), context)) {}
LiveDocuments::~LiveDocuments() = default;

Result<const LiveDocument*> LiveDocuments::next() {
  return impl_->next();
}
bool LiveDocuments::is_out_of_order() const {
  return impl_->is_out_of_order();
}

}  // namespace holdfast::recover
