#include "dataset/live_scan.hpp"

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "dataset/mongo_sorter.hpp"

namespace holdfast::dataset {

namespace {

mongo::FindRequest request_for(const mongo::Connection& connection, const ScanRequest& request) {
  mongo::FindRequest find;
  find.db = request.collection.db;
  find.collection = request.collection.name;
  find.filter = request.range.filter;
  if (request.order == ScanOrder::by_id) {
    bson::Builder sort;
    sort.append_int32("_id", 1);
    find.sort = sort.take();
  }
  if (!connection.member().set_name.empty()) {
    bson::Builder concern;
    concern.append_text("level", request.at ? "snapshot" : "majority");
    if (request.at) concern.append_timestamp("atClusterTime", *request.at);
    find.read_concern = concern.take();
  }
  return find;
}

// By UUID where the server takes that, so that a rename meanwhile does not matter. Nothing: the
// collection is gone.
Result<std::optional<mongo::Cursor>> open_cursor(mongo::Connection& connection,
                                                 const ScanRequest& request) {
  mongo::FindRequest find = request_for(connection, request);
  const auto& uuid = request.collection.uuid;
  if (uuid && !connection.member().set_name.empty()) {
    find.uuid = to_bytes(uuid->bytes);
    auto cursor = mongo::Cursor::open_if_there(connection, find);
    const bool is_refused = !cursor.has_value() && cursor.error().code == ErrorCode::server_failed;
    if (!is_refused) return cursor;
    find.uuid.clear();
  }
  return mongo::Cursor::open_if_there(connection, find);
}

}  // namespace

Result<ScanOutcome> scan_range(mongo::Connection& connection, const ScanRequest& request,
                               const OnDocument& on_document) {
  auto cursor = TRY(open_cursor(connection, request));
  if (!cursor) return ScanOutcome::complete;
  if (request.at && cursor->at_cluster_time() != *request.at) return ScanOutcome::no_snapshot;
  const bool is_sorted = request.order == ScanOrder::by_id;
  Bytes key;
  Bytes previous;
  for (bool is_first = true;; is_first = false) {
    const auto document = TRY(cursor->next());
    if (!document) return ScanOutcome::complete;
    key.clear();
    id_key_of(bson::Document::trusted(*document), key);
    if (!request.range.may_hold(key)) return ScanOutcome::out_of_range;
    const bool both_nameless = key.empty() && previous.empty();
    const bool ascends = is_first || both_nameless || bson::compare_bytes(previous, key) < 0;
    if (is_sorted && !ascends) return ScanOutcome::out_of_order;
    TRY(on_document(*document, key));
    std::swap(key, previous);
  }
}

}  // namespace holdfast::dataset
