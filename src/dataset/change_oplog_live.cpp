#include <fmt/format.h>

#include "bson/builder.hpp"
#include "dataset/change_oplog.hpp"

namespace holdfast::dataset {

namespace {

// ChangeStreamHistoryLost, and commands or stages that a server does not know.
constexpr std::int32_t history_lost_code = 286;
constexpr std::int32_t stage_unknown_code = 40324;
constexpr std::int32_t wire_version_min = 17;  // 6.0

std::int64_t id_of(bson::Document cursor) {
  const auto id = cursor.find("id");
  return id ? id->as_integer().value_or(0) : 0;
}

Error error_of_stream(const mongo::Reply& reply) {
  Error error = mongo::error_of(reply, "reading the change stream");
  const auto code = static_cast<std::int32_t>(reply.code);
  if (code == history_lost_code) error.code = ErrorCode::history_lost;
  if (code == stage_unknown_code || reply.code == mongo::ServerCode::command_not_found)
    error.code = ErrorCode::unsupported;
  return error;
}

class LiveChangeFeed final : public ChangeFeed {
 public:
  explicit LiveChangeFeed(mongo::Deployment& deployment) : deployment_(deployment) {}

  ~LiveChangeFeed() override { close(); }
  LiveChangeFeed(const LiveChangeFeed&) = delete;
  LiveChangeFeed& operator=(const LiveChangeFeed&) = delete;

  Result<void> open(oplog::Timestamp from) override;
  Result<ChangeBatch> next(std::chrono::milliseconds wait_max) override;
  Result<oplog::Timestamp> newest() override;
  Result<OplogFacts> facts() override;

 private:
  Result<void> connect();
  void close();
  Result<ChangeBatch> take(const mongo::Reply& reply, std::string_view array);

  mongo::Deployment& deployment_;
  std::optional<mongo::Connection> connection_;
  std::int64_t id_ = 0;
  ChangeBatch first_;  // came with the cursor
};

Result<void> LiveChangeFeed::connect() {
  if (connection_) return {};
  connection_ = TRY(deployment_.connect_to(mongo::ReadFrom::secondary_preferred));
  const mongo::MemberFacts& member = connection_->member();
  if (member.wire_version_max >= wire_version_min) return {};
  return fail(ErrorCode::unsupported,
              fmt::format("{} is older than 6.0: its change streams do not tell which collection "
                          "an event belongs to",
                          member.address));
}

void LiveChangeFeed::close() {
  if (id_ == 0 || !connection_) return;
  bson::Builder command;
  command.append_text("killCursors", "$cmd.aggregate");
  command.begin_array("cursors");
  command.append_int64("0", id_);
  command.end();
  // Nobody could do anything about a failure: the server closes it after ten idle minutes.
  (void)connection_->run("admin", command.finish());
  id_ = 0;
}

Result<void> LiveChangeFeed::open(oplog::Timestamp from) {
  close();
  connection_.reset();
  TRY(connect());
  bson::Builder command;
  command.append_int32("aggregate", 1);
  command.begin_array("pipeline");
  command.begin_document("0");
  command.begin_document("$changeStream");
  command.append_bool("allChangesForCluster", true);
  command.append_bool("showExpandedEvents", true);
  command.append_timestamp("startAtOperationTime", from);
  command.end();
  command.end();
  command.end();
  command.begin_document("cursor");
  command.end();
  const mongo::Reply reply = TRY(connection_->run("admin", command.finish()));
  first_ = TRY(take(reply, "firstBatch"));
  return {};
}

Result<ChangeBatch> LiveChangeFeed::next(std::chrono::milliseconds wait_max) {
  if (!first_.events.empty() || first_.position) return std::exchange(first_, {});
  if (id_ == 0) return fail(ErrorCode::server_unreachable, "the change stream is closed");
  bson::Builder command;
  command.append_int64("getMore", id_);
  command.append_text("collection", "$cmd.aggregate");
  command.append_int64("maxTimeMS", wait_max.count());
  const mongo::Reply reply = TRY(connection_->run("admin", command.finish()));
  return take(reply, "nextBatch");
}

Result<ChangeBatch> LiveChangeFeed::take(const mongo::Reply& reply, std::string_view array) {
  id_ = 0;
  if (!reply.is_ok) return fail(error_of_stream(reply));
  const auto cursor = reply.body().find("cursor");
  if (!cursor || cursor->type != bson::Type::document)
    return fail(ErrorCode::malformed, "an answer about a change stream has no cursor");
  const bson::Document body = cursor->as_document();
  id_ = id_of(body);
  ChangeBatch batch;
  const auto list = body.find(array);
  if (!list || list->type != bson::Type::array)
    return fail(ErrorCode::malformed, "an answer about a change stream has no batch");
  for (const auto& element : list->as_document()) {
    if (element.value.type != bson::Type::document)
      return fail(ErrorCode::malformed, "a change stream gives something that is no event");
    batch.events.push_back(to_bytes(element.value.bytes));
  }
  const auto token = body.find("postBatchResumeToken");
  if (token && token->type == bson::Type::document)
    batch.position = oplog::time_of_token(token->as_document());
  return batch;
}

Result<oplog::Timestamp> LiveChangeFeed::newest() {
  TRY(connect());
  bson::Builder command;
  command.append_int32("ping", 1);
  const mongo::Reply reply = TRY(connection_->run("admin", command.finish()));
  if (!reply.is_ok) return fail(mongo::error_of(reply, "asking for the time of the cluster"));
  const auto time = reply.body().find("operationTime");
  if (!time || time->type != bson::Type::timestamp)
    return fail(ErrorCode::unsupported,
                "this server does not tell its operation time: it is no member of a replica set, "
                "and has no change streams");
  return time->as_timestamp();
}

Result<OplogFacts> LiveChangeFeed::facts() {
  TRY(connect());
  OplogFacts facts;
  facts.set_name = connection_->member().set_name;
  facts.member = connection_->member().address;
  facts.server_version = TRY(deployment_.server_version());
  facts.warnings.emplace_back(
      "the source is a change stream: what it does not show (users and roles, hidden and internal "
      "changes) is not captured");
  return facts;
}

}  // namespace

std::unique_ptr<ChangeFeed> make_live_change_feed(mongo::Deployment& deployment) {
  return std::make_unique<LiveChangeFeed>(deployment);
}

}  // namespace holdfast::dataset
