#include "mongo/cursor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"

namespace holdfast::mongo {

namespace {

// Without a size the first batch of a server has 101 documents.
constexpr std::int32_t first_batch_count = 1000;
// What the batches after the first should hold, by the mean of the documents so far: four
// connections then need a quarter of the memory that the server's own limit (16 MiB) would cost.
constexpr std::uint64_t batch_bytes_aim = std::uint64_t{4} << 20;
constexpr std::uint64_t batch_count_max = 100'000;
constexpr auto wait_default = std::chrono::milliseconds(1000);
constexpr std::uint8_t uuid_subtype = 4;
constexpr int empty_batches_max = 100;

void append_if_given(bson::Builder& command, std::string_view name, const Bytes& document) {
  if (!document.empty()) command.append_document(name, bson::Document::trusted(document));
}

Bytes find_command(const FindRequest& request) {
  bson::Builder command;
  if (request.uuid.empty())
    command.append_text("find", request.collection);
  else
    command.append_binary("find", uuid_subtype, request.uuid);
  append_if_given(command, "filter", request.filter);
  append_if_given(command, "sort", request.sort);
  append_if_given(command, "hint", request.hint);
  append_if_given(command, "projection", request.projection);
  append_if_given(command, "readConcern", request.read_concern);
  command.append_int32("batchSize",
                       request.batch_count > 0 ? request.batch_count : first_batch_count);
  if (request.limit > 0) command.append_int64("limit", request.limit);
  if (request.is_tailable) {
    command.append_bool("tailable", true);
    command.append_bool("awaitData", true);
  }
  if (request.keeps_open) command.append_bool("noCursorTimeout", true);
  return command.take();
}

std::string name_of(const FindRequest& request) {
  return request.db + "." + (request.uuid.empty() ? request.collection : to_hex(request.uuid));
}

}  // namespace

class Cursor::Impl {
 public:
  Impl(Connection& connection, std::string what)
      : connection_(&connection), what_(std::move(what)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ~Impl() {
    if (id_ == 0 || is_broken_) return;
    bson::Builder command;
    command.append_text("killCursors", collection_);
    command.begin_array("cursors");
    command.append_int64("0", id_);
    command.end();
    // Nobody could do anything about a failure: the server closes it after ten idle minutes.
    (void)connection_->run(db_, command.finish());
  }

  Result<void> start(Reply reply, std::string_view array) { return take(std::move(reply), array); }

  Result<std::optional<ByteView>> next() {
    if (at_ == nullptr || *at_ == bson_end) {
      if (!is_open()) return std::nullopt;
      TRY(fetch());
      if (*at_ == bson_end) return at_empty_batch();
    }
    const bson::Element element = *bson::Document::Iterator(at_);
    at_ += element.raw.size();
    if (element.value.type != bson::Type::document)
      return fail(ErrorCode::malformed, fmt::format("a batch of {} holds no documents", what_));
    ++document_count_;
    byte_count_ += element.value.bytes.size();
    return element.value.bytes;
  }

  bool is_open() const { return id_ != 0; }
  bool has_buffered() const { return at_ != nullptr && *at_ != bson_end; }
  void set_wait_max(std::chrono::milliseconds wait) { wait_max_ = wait; }
  void set_batch_count(std::int32_t count) { batch_count_ = count; }
  void set_tailable() { is_tailable_ = true; }
  ServerCode error_code() const { return error_code_; }
  std::uint64_t byte_count() const { return byte_count_; }
  bson::Timestamp at_cluster_time() const { return at_cluster_time_; }

 private:
  static constexpr std::uint8_t bson_end = 0;

  // An empty batch ends nothing: only a cursor that tails something has nothing new.
  Result<std::optional<ByteView>> at_empty_batch() {
    if (is_tailable_) return std::nullopt;
    for (int batches = 0; *at_ == bson_end && is_open(); ++batches) {
      if (batches == empty_batches_max)
        return fail(ErrorCode::server_failed,
                    fmt::format("a cursor over {} gives nothing and does not end", what_));
      TRY(fetch());
    }
    if (*at_ == bson_end) return std::nullopt;
    return next();
  }

  Result<void> take(Reply reply, std::string_view array) {
    reply_ = std::move(reply);
    at_ = nullptr;
    const auto cursor = reply_.body().find("cursor");
    if (!cursor || cursor->type != bson::Type::document)
      return fail(ErrorCode::malformed, fmt::format("an answer about {} has no cursor", what_));
    const bson::Document body = cursor->as_document();
    const auto id = body.find("id");
    const auto batch = body.find(array);
    if (!id || !batch || batch->type != bson::Type::array)
      return fail(ErrorCode::malformed, fmt::format("a cursor over {} has no batch", what_));
    id_ = id->as_integer().value_or(0);
    at_ = batch->bytes.data() + sizeof(std::int32_t);
    const auto moment = body.find("atClusterTime");
    if (moment && moment->type == bson::Type::timestamp) at_cluster_time_ = moment->as_timestamp();
    const auto name = body.find("ns");
    if (!name || name->type != bson::Type::string) return {};
    const std::string_view full = name->as_text();
    const auto dot = std::min(full.find('.'), full.size());
    db_ = full.substr(0, dot);
    collection_ = full.substr(std::min(dot + 1, full.size()));
    return {};
  }

  std::int32_t next_batch_count() const {
    if (batch_count_ > 0) return batch_count_;
    if (byte_count_ == 0) return first_batch_count;
    const std::uint64_t count = batch_bytes_aim * document_count_ / byte_count_;
    return static_cast<std::int32_t>(std::clamp<std::uint64_t>(count, 1, batch_count_max));
  }

  Result<void> fetch() {
    bson::Builder command;
    command.append_int64("getMore", id_);
    command.append_text("collection", collection_);
    command.append_int32("batchSize", next_batch_count());
    if (is_tailable_) command.append_int64("maxTimeMS", wait_max_.count());
    auto answer = connection_->run(db_, command.finish());
    is_broken_ = !answer.has_value();
    if (is_broken_) id_ = 0;
    Reply reply = TRY(std::move(answer).while_doing("reading on in " + what_));
    if (!reply.is_ok) {
      error_code_ = reply.code;
      id_ = 0;
      return fail(error_of(reply, "reading on in " + what_));
    }
    return take(std::move(reply), "nextBatch");
  }

  Connection* connection_;
  std::string what_;
  std::string db_;
  std::string collection_;
  Reply reply_;
  const std::uint8_t* at_ = nullptr;  // the next element of the batch in reply_, or its end
  std::int64_t id_ = 0;
  std::int32_t batch_count_ = 0;
  bool is_tailable_ = false;
  bool is_broken_ = false;
  std::chrono::milliseconds wait_max_ = wait_default;
  ServerCode error_code_ = ServerCode::none;
  std::uint64_t document_count_ = 0;
  std::uint64_t byte_count_ = 0;
  bson::Timestamp at_cluster_time_;
};

Cursor::Cursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<std::optional<Cursor>> Cursor::open_if_there(Connection& connection,
                                                    const FindRequest& request) {
  const Bytes command = find_command(request);
  const std::string what = name_of(request);
  Reply reply = TRY(connection.run(request.db, bson::Document::trusted(command)));
  if (!reply.is_ok && reply.code == ServerCode::namespace_not_found) return std::optional<Cursor>();
  if (!reply.is_ok) return fail(error_of(reply, "reading " + what));
  auto impl = std::make_unique<Impl>(connection, what);
  impl->set_batch_count(request.batch_count);
  if (request.is_tailable) impl->set_tailable();
  TRY(impl->start(std::move(reply), "firstBatch"));
  return std::optional<Cursor>(Cursor(std::move(impl)));
}

Result<Cursor> Cursor::open(Connection& connection, const FindRequest& request) {
  auto cursor = TRY(open_if_there(connection, request));
  if (!cursor)
    return fail(ErrorCode::server_failed,
                fmt::format("reading {}: there is no such collection", name_of(request)));
  return std::move(*cursor);
}

Result<Cursor> Cursor::adopt(Connection& connection, Reply reply) {
  if (!reply.is_ok) return fail(error_of(reply, "opening a cursor"));
  auto impl = std::make_unique<Impl>(connection, "an answer");
  TRY(impl->start(std::move(reply), "firstBatch"));
  return Cursor(std::move(impl));
}

Result<std::optional<ByteView>> Cursor::next() {
  return impl_->next();
}
bool Cursor::is_open() const {
  return impl_->is_open();
}
bool Cursor::has_buffered() const {
  return impl_->has_buffered();
}
void Cursor::set_wait_max(std::chrono::milliseconds wait) {
  impl_->set_wait_max(wait);
}
ServerCode Cursor::error_code() const {
  return impl_->error_code();
}
std::uint64_t Cursor::byte_count() const {
  return impl_->byte_count();
}
bson::Timestamp Cursor::at_cluster_time() const {
  return impl_->at_cluster_time();
}

}  // namespace holdfast::mongo
