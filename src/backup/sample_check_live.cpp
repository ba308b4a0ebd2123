// LiveDocuments over a deployment: queries by `_id`, counts, and the oplog of a member.
#include "backup/sample_check.hpp"
#include "bson/builder.hpp"
#include "mongo/cursor.hpp"
#include "oplog/facts.hpp"

namespace holdfast::backup {

namespace {

Bytes majority() {
  bson::Builder concern;
  concern.append_text("level", "majority");
  return concern.take();
}

Bytes ascending(std::string_view field) {
  bson::Builder order;
  order.append_int32(field, 1);
  return order.take();
}

// {$or: [{_id: {$gte: first, $lte: last}}, …]}
Bytes filter_of(const std::vector<const RecordedRange*>& ranges) {
  bson::Builder filter;
  filter.begin_array("$or");
  for (std::size_t at = 0; at < ranges.size(); ++at) {
    const auto ids = bson::Document::trusted(ranges[at]->ids);
    filter.begin_document(std::to_string(at));
    filter.begin_document("_id");
    filter.append("$gte", *ids.find("first"));
    filter.append("$lte", *ids.find("last"));
    filter.end();
    filter.end();
  }
  filter.end();
  return filter.take();
}

class DeploymentDocuments final : public LiveDocuments {
 public:
  explicit DeploymentDocuments(mongo::Deployment& deployment) : deployment_(deployment) {}

  Result<std::vector<Content>> contents(const std::vector<const RecordedRange*>& ranges) override {
    std::vector<RangeKeys> keys;
    for (const RecordedRange* range : ranges) keys.push_back(keys_of(*range));
    std::vector<bson::ContentDigest> digests(ranges.size());
    mongo::FindRequest request;
    request.db = oplog::database_of(ranges.front()->ns);
    request.collection = oplog::collection_of(ranges.front()->ns);
    request.filter = filter_of(ranges);
    request.read_concern = majority();
    auto* const connection = TRY(connected());
    auto cursor = TRY(mongo::Cursor::open(*connection, request));
    Bytes key;
    while (true) {
      const auto document = TRY(cursor.next());
      if (!document) break;
      key.clear();
      dataset::id_key_of(bson::Document::trusted(*document), key);
      for (std::size_t at = 0; at < keys.size(); ++at) {
        if (keys[at].holds(key)) digests[at].add(*document);
      }
    }
    std::vector<Content> contents;
    for (const auto& digest : digests) contents.push_back({digest.count(), digest.digest()});
    return contents;
  }

  // By the collection's own counter; where that differs from what was recorded it may be wrong
  // itself (after a crash), and the documents are counted.
  Result<std::uint64_t> count(const RecordedRange& range) override {
    const auto kept = TRY(kept_count(range));
    if (kept == range.count) return kept;
    return real_count(range);
  }

  Result<void> entries(oplog::Timestamp from, const TakeEntry& take) override {
    bson::Builder filter;
    filter.begin_document("ts");
    filter.append_timestamp("$gte", from);
    filter.end();
    mongo::FindRequest request;
    request.db = "local";
    request.collection = "oplog.rs";
    request.filter = filter.take();
    request.read_concern = majority();
    auto* const connection = TRY(connected());
    auto cursor = TRY(mongo::Cursor::open(*connection, request));
    while (true) {
      const auto entry = TRY(cursor.next());
      if (!entry) return {};
      const Wish wish = TRY(take(*entry));
      if (wish == Wish::enough) return {};
    }
  }

 private:
  Result<mongo::Connection*> connected() {
    if (!connection_)
      connection_ = TRY(deployment_.connect_to(mongo::ReadFrom::secondary_preferred));
    return &*connection_;
  }

  Result<std::uint64_t> kept_count(const RecordedRange& range) {
    bson::Builder command;
    command.append_text("count", oplog::collection_of(range.ns));
    const Bytes bytes = command.take();
    auto* const connection = TRY(connected());
    const Bytes reply = TRY(connection->run_ok(
        oplog::database_of(range.ns), bson::Document::trusted(bytes), "counting " + range.ns));
    const auto number = bson::Document::trusted(reply).find("n");
    const auto count = number ? number->as_integer() : std::nullopt;
    if (!count || *count < 0)
      return fail(ErrorCode::malformed, "the server's count of " + range.ns + " is no number");
    return static_cast<std::uint64_t>(*count);
  }

  Result<std::uint64_t> real_count(const RecordedRange& range) {
    mongo::FindRequest request;
    request.db = oplog::database_of(range.ns);
    request.collection = oplog::collection_of(range.ns);
    request.projection = ascending("_id");
    request.hint = ascending("_id");
    request.read_concern = majority();
    auto* const connection = TRY(connected());
    auto cursor = TRY(mongo::Cursor::open(*connection, request));
    std::uint64_t count = 0;
    while (true) {
      const auto document = TRY(cursor.next());
      if (!document) return count;
      ++count;
    }
  }

  mongo::Deployment& deployment_;
  std::optional<mongo::Connection> connection_;
};

}  // namespace

std::unique_ptr<LiveDocuments> live_documents(mongo::Deployment& deployment) {
  return std::make_unique<DeploymentDocuments>(deployment);
}

}  // namespace holdfast::backup
