#pragma once
// Reading one stretch of a collection of a running server, and noticing when the server does not do
// what was asked.
#include <functional>

#include "dataset/live_ranges.hpp"
#include "mongo/cursor.hpp"

namespace holdfast::dataset {

enum class ScanOrder : std::uint8_t {
  by_id,   // sorted by the server, compared here
  natural  // as the server has them
};

struct ScanRequest {
  const MongoCollection& collection;
  const IdRange& range;
  ScanOrder order = ScanOrder::by_id;
  std::optional<oplog::Timestamp> at = {};  // as it was at this moment: a snapshot read
};

enum class ScanOutcome : std::uint8_t {
  complete,
  out_of_order,  // `_id`s do not ascend by K(_id)
  out_of_range,  // a document that the filter excludes: the server ignores it
  no_snapshot    // the server does not say that it read at that moment
};

// Takes a document and K(_id), empty if it has no `_id`. Valid during the call.
using OnDocument = std::function<Result<void>(ByteView document, ByteView key)>;

// Majority reads where the server has them, if not at a moment. A collection that is gone is empty.
// Errors: those of mongo::Cursor, and of `on_document`.
Result<ScanOutcome> scan_range(mongo::Connection& connection, const ScanRequest& request,
                               const OnDocument& on_document);

}  // namespace holdfast::dataset
