#include "dataset/live_oplog.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "dataset/namespace_uuid.hpp"
#include "mongo/cursor.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::string_view oplog_db = "local";
constexpr std::string_view oplog_collection = "oplog.rs";
// So that a busy server is asked for many entries at a time, and not once for each.
constexpr std::chrono::milliseconds fetch_interval_min{50};

Bytes majority() {
  bson::Builder concern;
  concern.append_text("level", "majority");
  return concern.take();
}

Bytes since(oplog::Timestamp from) {
  bson::Builder filter;
  filter.begin_document("ts");
  filter.append_timestamp("$gte", from);
  filter.end();
  return filter.take();
}

Bytes natural(std::int32_t direction) {
  bson::Builder sort;
  sort.append_int32("$natural", direction);
  return sort.take();
}

Bytes open_transactions() {
  bson::Builder filter;
  filter.begin_document("state");
  filter.begin_array("$in");
  filter.append_text("0", "prepared");
  filter.append_text("1", "inProgress");
  filter.end();
  filter.end();
  return filter.take();
}

mongo::FindRequest oplog_request(Bytes filter) {
  mongo::FindRequest request;
  request.db = oplog_db;
  request.collection = oplog_collection;
  request.filter = std::move(filter);
  request.read_concern = majority();
  return request;
}

std::optional<bson::Value> find_path(bson::Document document, std::string_view first,
                                     std::string_view second) {
  const auto outer = document.find(first);
  if (!outer || outer->type != bson::Type::document) return std::nullopt;
  return outer->as_document().find(second);
}

bool is_false(const std::optional<bson::Value>& value) {
  return value && value->type == bson::Type::boolean && !value->as_bool();
}

bool has_arbiter(bson::Document config) {
  const auto members = config.find("members");
  if (!members || members->type != bson::Type::array) return false;
  for (const auto& element : members->as_document()) {
    if (element.value.type != bson::Type::document) continue;
    const auto arbiter = element.value.as_document().find("arbiterOnly");
    if (arbiter && arbiter->type == bson::Type::boolean && arbiter->as_bool()) return true;
  }
  return false;
}

class LiveOplog final : public OplogSource {
 public:
  LiveOplog(mongo::Deployment& deployment, Context& context, const LiveOplogOptions& options)
      : deployment_(deployment), context_(context), options_(options) {}

  Result<void> open(oplog::Timestamp from, MemberChoice choice) override;
  Result<std::optional<ByteView>> next(std::chrono::milliseconds wait_max) override;
  Result<std::optional<SeenEntry>> oldest() override { return end_of_oplog(1); }
  Result<std::optional<SeenEntry>> newest() override { return end_of_oplog(-1); }
  Result<std::optional<SeenEntry>> find(oplog::Timestamp at) override;
  Result<oplog::Timestamp> start_for_base() override;
  Result<OplogFacts> facts() override;

 private:
  Result<void> connect(MemberChoice choice);
  Result<mongo::Connection> choose_another();
  Result<mongo::Connection*> connection();
  Result<std::optional<SeenEntry>> end_of_oplog(std::int32_t direction);
  Result<std::optional<Bytes>> first_of(const mongo::FindRequest& request);
  Result<void> start_read();
  Result<bool> read_again();
  Result<std::optional<ByteView>> lost(Error error);
  void pace();

  mongo::Deployment& deployment_;
  Context& context_;
  LiveOplogOptions options_;
  std::optional<mongo::Connection> connection_;
  std::optional<mongo::Cursor> cursor_;  // on connection_
  oplog::Timestamp from_;
  Bytes last_;               // read last; where a read that did not stay open is taken up again
  bool tells_uuids_ = true;  // false: see namespace_uuid.hpp
  Bytes adapted_;            // handed out instead of last_ then
  Duration fetched_at_{};
};

Result<void> check_has_oplog(const mongo::MemberFacts& member) {
  if (member.is_router)
    return fail(
        ErrorCode::unsupported,
        fmt::format("{} is a router of a sharded cluster and has no oplog: name the replica "
                    "set of each shard instead",
                    member.address));
  if (member.set_name.empty())
    return fail(ErrorCode::unsupported,
                fmt::format("{} is no member of a replica set and has no oplog: make it a replica "
                            "set of one member (replication.replSetName in its configuration, then "
                            "rs.initiate()), or take backups without the moments between them",
                            member.address));
  return {};
}

Result<void> LiveOplog::connect(MemberChoice choice) {
  cursor_.reset();
  if (choice == MemberChoice::another && connection_) {
    connection_ = TRY(choose_another());
  } else {
    connection_.reset();
    connection_ = TRY(deployment_.connect_to(options_.read_from));
  }
  TRY(check_has_oplog(connection_->member()));
  tells_uuids_ = TRY(dataset::tells_uuids(*connection_));
  return {};
}

// The next of the members by address, so that each gets its turn.
Result<mongo::Connection> LiveOplog::choose_another() {
  const std::string before = connection_->member().address;
  connection_.reset();
  auto members = TRY(deployment_.members());
  std::erase_if(members, [](const mongo::MemberFacts& member) {
    return member.is_arbiter || !(member.is_primary || member.is_secondary);
  });
  if (members.empty()) return deployment_.connect_to(options_.read_from);
  std::sort(members.begin(), members.end(),
            [](const auto& left, const auto& right) { return left.address < right.address; });
  auto next = std::find_if(members.begin(), members.end(),
                           [&](const auto& member) { return member.address > before; });
  if (next == members.end()) next = members.begin();
  return deployment_.connect_to(*next);
}

Result<mongo::Connection*> LiveOplog::connection() {
  if (!connection_) TRY(connect(MemberChoice::any));
  return &*connection_;
}

Result<void> LiveOplog::open(oplog::Timestamp from, MemberChoice choice) {
  TRY(connect(choice));
  from_ = from;
  last_.clear();
  return start_read();
}

Result<void> LiveOplog::start_read() {
  cursor_.reset();
  mongo::FindRequest request = oplog_request(since(from_));
  request.is_tailable = true;
  cursor_ = TRY(mongo::Cursor::open(*connection_, request).while_doing("reading the oplog"));
  return {};
}

// Whatever is wrong with the cursor, only the next open() can tell what it means.
Result<std::optional<ByteView>> LiveOplog::lost(Error error) {
  const auto code = cursor_ ? cursor_->error_code() : mongo::ServerCode::none;
  cursor_.reset();
  const bool is_cursor_gone = code == mongo::ServerCode::cursor_not_found ||
                              code == mongo::ServerCode::capped_position_lost;
  if (is_cursor_gone) error.code = ErrorCode::server_unreachable;
  return fail(std::move(error));
}

void LiveOplog::pace() {
  const Duration since_fetch = context_.clock.monotonic() - fetched_at_;
  if (since_fetch < fetch_interval_min) context_.clock.sleep_for(fetch_interval_min - since_fetch);
  fetched_at_ = context_.clock.monotonic();
}

Result<std::optional<ByteView>> LiveOplog::next(std::chrono::milliseconds wait_max) {
  if (!cursor_) return fail(ErrorCode::server_unreachable, "the oplog is not open");
  if (!cursor_->has_buffered()) {
    if (!cursor_->is_open()) {
      context_.clock.sleep_for(std::min(options_.poll_interval, wait_max));
      auto is_there = read_again();
      if (!is_there.has_value()) return lost(std::move(is_there.error()));
      if (!*is_there) return std::optional<ByteView>();
    } else {
      pace();
    }
    cursor_->set_wait_max(wait_max);
  }
  auto entry = cursor_->next();
  if (!entry.has_value()) return lost(std::move(entry.error()));
  if (!*entry) return std::optional<ByteView>();
  last_.assign((*entry)->begin(), (*entry)->end());
  if (tells_uuids_) return *entry;
  adapted_ = last_;
  set_namespace_uuid(adapted_);
  return std::optional<ByteView>(adapted_);
}

// Takes up a read on a server whose cursors do not stay open. Where it was is proved by reading the
// last entry again. False: there is nothing behind it.
Result<bool> LiveOplog::read_again() {
  if (last_.empty()) {
    TRY(start_read());
    return cursor_->has_buffered();
  }
  const oplog::OpTime last = TRY(oplog::optime_of(last_));
  from_ = last.ts;
  TRY(start_read());
  const auto first = TRY(cursor_->next());
  if (!first || !std::equal(first->begin(), first->end(), last_.begin(), last_.end()))
    return fail(ErrorCode::server_unreachable, "the last entry of the oplog is not there any more");
  return cursor_->has_buffered();
}

Result<std::optional<Bytes>> LiveOplog::first_of(const mongo::FindRequest& request) {
  mongo::Connection* connection = TRY(this->connection());
  auto cursor = TRY(mongo::Cursor::open(*connection, request));
  const auto found = TRY(cursor.next());
  if (!found) return std::optional<Bytes>();
  Bytes entry = to_bytes(*found);
  if (!tells_uuids_) set_namespace_uuid(entry);
  return std::optional(std::move(entry));
}

Result<std::optional<SeenEntry>> LiveOplog::end_of_oplog(std::int32_t direction) {
  mongo::FindRequest request = oplog_request({});
  request.sort = natural(direction);
  request.limit = 1;
  const auto entry = TRY(first_of(request).while_doing("reading an end of the oplog"));
  if (!entry) return std::optional<SeenEntry>();
  const auto seen = TRY(seen_entry_of(*entry));
  return std::optional(seen);
}

Result<std::optional<SeenEntry>> LiveOplog::find(oplog::Timestamp at) {
  bson::Builder filter;
  filter.begin_document("ts");
  filter.append_timestamp("$gte", at);
  filter.append_timestamp("$lte", at);
  filter.end();
  mongo::FindRequest request = oplog_request(filter.take());
  request.limit = 1;
  const auto entry = TRY(first_of(request).while_doing("looking for an entry of the oplog"));
  if (!entry) return std::optional<SeenEntry>();
  const auto seen = TRY(seen_entry_of(*entry));
  return std::optional(seen);
}

// The newest entry first: a transaction that begins after this read needs no earlier one.
Result<oplog::Timestamp> LiveOplog::start_for_base() {
  const auto newest = TRY(this->newest());
  if (!newest)
    return fail(ErrorCode::unsupported,
                fmt::format("the oplog of {} is empty, or this user may not read it",
                            connection_->member().address));
  mongo::FindRequest request;
  request.db = "config";
  request.collection = "transactions";
  request.filter = open_transactions();
  request.sort = [] {
    bson::Builder sort;
    sort.append_int32("startOpTime", 1);
    return sort.take();
  }();
  request.read_concern = majority();
  request.limit = 1;
  const auto oldest_open = TRY(first_of(request).while_doing("looking for open transactions"));
  if (!oldest_open) return newest->time.ts;
  const auto start = find_path(bson::Document::trusted(*oldest_open), "startOpTime", "ts");
  if (!start || start->type != bson::Type::timestamp) return newest->time.ts;
  return std::min(start->as_timestamp(), newest->time.ts);
}

// Who may not ask gets no warning: that is a matter of grants, and told there.
Result<OplogFacts> LiveOplog::facts() {
  mongo::Connection* connection = TRY(this->connection());
  OplogFacts facts;
  facts.set_name = connection->member().set_name;
  facts.member = connection->member().address;
  facts.server_version = TRY(deployment_.server_version());
  bson::Builder status_command;
  status_command.append_int32("serverStatus", 1);
  const mongo::Reply status = TRY(connection->run("admin", status_command.finish()));
  if (status.is_ok && is_false(find_path(status.body(), "storageEngine", "supportsCommittedReads")))
    facts.warnings.emplace_back(
        "this server has no majority reads (enableMajorityReadConcern: false): what is captured "
        "can be rolled back; this is noticed, and the history after it is captured again");
  bson::Builder config_command;
  config_command.append_int32("replSetGetConfig", 1);
  const mongo::Reply answer = TRY(connection->run("admin", config_command.finish()));
  const auto config = answer.is_ok ? answer.body().find("config") : std::nullopt;
  if (!config || config->type != bson::Type::document) return facts;
  const auto set_id = find_path(config->as_document(), "settings", "replicaSetId");
  if (set_id && set_id->type == bson::Type::object_id) facts.set_id = to_hex(set_id->bytes);
  if (is_false(config->as_document().find("writeConcernMajorityJournalDefault")))
    facts.warnings.emplace_back(
        "writeConcernMajorityJournalDefault is false: when a majority of the members crash at "
        "once, "
        "entries that were captured can be rolled back");
  if (has_arbiter(config->as_document()))
    facts.warnings.emplace_back(
        "the replica set has an arbiter: while a member is down, the majority point may stand "
        "still "
        "and nothing new is captured");
  return facts;
}

}  // namespace

Result<std::unique_ptr<OplogSource>> open_live_oplog(mongo::Deployment& deployment,
                                                     Context& context,
                                                     const LiveOplogOptions& options) {
  auto source = std::make_unique<LiveOplog>(deployment, context, options);
  const auto oldest = TRY(source->oldest());
  if (!oldest)
    return fail(ErrorCode::unsupported,
                "local.oplog.rs has no entry that can be read: this server keeps no oplog, or the "
                "user may not read the database local");
  return std::unique_ptr<OplogSource>(std::move(source));
}

}  // namespace holdfast::dataset
