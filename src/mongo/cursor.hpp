#pragma once
// Reading documents of a collection batch by batch.
#include <chrono>
#include <optional>

#include "mongo/connection.hpp"

namespace holdfast::mongo {

// Documents are BSON; empty bytes: not given. Plain value.
struct FindRequest {
  std::string db;
  std::string collection;  // or, by UUID, immune to renames:
  Bytes uuid;              // 16 bytes
  Bytes filter;
  Bytes sort;
  Bytes hint;
  Bytes projection;
  Bytes read_concern;
  std::int32_t batch_count = 0;  // documents in a batch; 0: 1000 in the first, then about 4 MiB
  std::int64_t limit = 0;        // 0: all
  bool is_tailable = false;      // with awaitData
  bool keeps_open = false;       // noCursorTimeout
};

// One thread. Closes the cursor on the server at the end. The connection must outlive it, and may
// be used for other commands between calls.
class Cursor {
 public:
  // Errors: those of Connection::run_ok().
  static Result<Cursor> open(Connection& connection, const FindRequest& request);
  // Nothing: there is no such collection (asked by UUID; by name it is empty).
  static Result<std::optional<Cursor>> open_if_there(Connection& connection,
                                                     const FindRequest& request);
  // From an answer that carries a cursor (aggregate, listCollections, listIndexes).
  static Result<Cursor> adopt(Connection& connection, Reply reply);
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // The next document, validated; valid until the next call. Nothing: the end, or, on a tailable
  // cursor that is still open, nothing new came within `wait_max`.
  Result<std::optional<ByteView>> next();
  bool is_open() const;       // on the server; false: no more batches will come
  bool has_buffered() const;  // whether next() gives a document without asking the server

  // How long a getMore of a tailable cursor waits on the server. Default 1 s.
  void set_wait_max(std::chrono::milliseconds wait);
  // The server's number of the last failed getMore: cursor_not_found, capped_position_lost.
  ServerCode error_code() const;
  // Raw bytes of the documents handed out so far.
  std::uint64_t byte_count() const;
  // The moment of a snapshot read, as the server confirms it; {} if it does not.
  bson::Timestamp at_cluster_time() const;

 private:
  class Impl;
  explicit Cursor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::mongo
