#include "oplog/change_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "bson/builder.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;
using bson::Value;

constexpr std::size_t token_digits_max = 64 * 1024;
constexpr std::size_t operations_max = 1'000'000;
constexpr std::size_t operation_overhead_bytes = 16;  // in the list: type, name, end

std::optional<std::string_view> text_of(const std::optional<Value>& value) {
  if (!value || value->type != Type::string) return std::nullopt;
  return value->as_text();
}

std::optional<Document> document_of(const std::optional<Value>& value) {
  if (!value || value->type != Type::document) return std::nullopt;
  return value->as_document();
}

// What an operation acts on.
struct Target {
  std::string db;
  std::string collection;  // empty: a whole database
  std::optional<Value> uuid;
  std::string ns() const { return db + "." + collection; }
};

// Turns one event into operations of an applyOps list. One thread.
class Translator {
 public:
  Translator(Document event, std::string_view type, std::vector<Bytes>& to)
      : event_(event), type_(type), to_(to) {}

  Result<void> run() {
    TRY(read_target());
    const auto known = std::find_if(handlers.begin(), handlers.end(),
                                    [this](const auto& handler) { return handler.type == type_; });
    if (known != handlers.end()) return (this->*known->translate)();
    return fail(ErrorCode::unsupported,
                fmt::format("a change event of an unknown kind: {} on {}", type_, target_.ns()));
  }

 private:
  struct Handler {
    std::string_view type;
    Result<void> (Translator::*translate)();
  };
  static const std::array<Handler, 16> handlers;

  Result<void> read_target() {
    const auto ns = document_of(event_.find("ns"));
    if (!ns) return missing("ns");
    const auto db = text_of(ns->find("db"));
    if (!db) return missing("ns.db");
    target_.db = *db;
    target_.collection = text_of(ns->find("coll")).value_or("");
    target_.uuid = event_.find("collectionUUID");
    return {};
  }

  tl::unexpected<Error> missing(std::string_view member) const {
    return fail(ErrorCode::malformed,
                fmt::format("a change event of kind {} has no {}", type_, member));
  }

  Result<void> require_uuid() const {
    if (!target_.uuid)
      return fail(ErrorCode::unsupported,
                  fmt::format("a change event on {} does not tell the UUID of its collection: this "
                              "needs a server 6.0 or later, and showExpandedEvents",
                              target_.ns()));
    TRY(Uuid::from_value(*target_.uuid));
    return {};
  }

  Result<Document> required(std::string_view name) const {
    const auto document = document_of(event_.find(name));
    if (!document) return missing(name);
    return *document;
  }

  Result<void> add_change(std::string_view op, Document o, std::optional<Document> o2) {
    TRY(require_uuid());
    bson::Builder operation;
    operation.append_text("op", op);
    operation.append_text("ns", target_.ns());
    operation.append("ui", *target_.uuid);
    operation.append_document("o", o);
    if (o2) operation.append_document("o2", *o2);
    to_.push_back(operation.take());
    return {};
  }

  Result<void> add_command(Document o) {
    bson::Builder operation;
    operation.append_text("op", "c");
    operation.append_text("ns", target_.db + ".$cmd");
    if (target_.uuid) operation.append("ui", *target_.uuid);
    operation.append_document("o", o);
    to_.push_back(operation.take());
    return {};
  }

  Result<void> insert() {
    const Document document = TRY(required("fullDocument"));
    return add_change("i", document, std::nullopt);
  }
  Result<void> replace() {
    const Document document = TRY(required("fullDocument"));
    const Document key = TRY(required("documentKey"));
    return add_change("u", document, key);
  }
  Result<void> update() {
    const Document description = TRY(required("updateDescription"));
    const Document key = TRY(required("documentKey"));
    const Bytes update = TRY(update_of(description));
    if (update.empty()) return {};
    return add_change("u", Document::trusted(update), key);
  }
  Result<void> remove() {
    const Document key = TRY(required("documentKey"));
    return add_change("d", key, std::nullopt);
  }

  Result<void> drop() {
    TRY(require_uuid());
    bson::Builder command;
    command.append_text("drop", target_.collection);
    return add_command(command.finish());
  }
  Result<void> drop_database() {
    target_.uuid.reset();
    bson::Builder command;
    command.append_int32("dropDatabase", 1);
    return add_command(command.finish());
  }
  Result<void> rename() {
    TRY(require_uuid());
    const Document to = TRY(required("to"));
    const auto db = text_of(to.find("db"));
    const auto collection = text_of(to.find("coll"));
    if (!db || !collection) return missing("to.coll");
    bson::Builder command;
    command.append_text("renameCollection", target_.ns());
    command.append_text("to", fmt::format("{}.{}", *db, *collection));
    command.append_bool("stayTemp", false);
    const auto description = document_of(event_.find("operationDescription"));
    const auto dropped = description ? description->find("dropTarget") : std::nullopt;
    if (dropped && dropped->type == Type::binary) command.append("dropTarget", *dropped);
    return add_command(command.finish());
  }
  Result<void> create() { return add_described("create"); }
  Result<void> modify() { return add_described("collMod"); }
  // The description's members are those of the command.
  Result<void> add_described(std::string_view command_name) {
    TRY(require_uuid());
    const Document description = TRY(required("operationDescription"));
    bson::Builder command;
    command.append_text(command_name, target_.collection);
    for (const auto& element : description) command.append_raw(element.raw);
    return add_command(command.finish());
  }

  Result<Document> described_indexes() const {
    const Document description = TRY(required("operationDescription"));
    const auto indexes = description.find("indexes");
    if (!indexes || indexes->type != Type::array) return missing("operationDescription.indexes");
    return indexes->as_document();
  }
  Result<void> create_indexes() {
    TRY(require_uuid());
    const Document indexes = TRY(described_indexes());
    for (const auto& element : indexes) {
      if (element.value.type != Type::document) return missing("index specification");
      bson::Builder command;
      command.append_text("createIndexes", target_.collection);
      for (const auto& member : element.value.as_document()) command.append_raw(member.raw);
      TRY(add_command(command.finish()));
    }
    return {};
  }
  Result<void> drop_indexes() {
    TRY(require_uuid());
    const Document indexes = TRY(described_indexes());
    for (const auto& element : indexes) {
      const auto spec = document_of(element.value);
      const auto name = spec ? text_of(spec->find("name")) : std::nullopt;
      if (!name) return missing("index name");
      bson::Builder command;
      command.append_text("dropIndexes", target_.collection);
      command.append_text("index", *name);
      TRY(add_command(command.finish()));
    }
    return {};
  }
  // Starting a build makes no index, and how a collection is spread is not its content.
  Result<void> nothing() { return {}; }

  Document event_;
  std::string_view type_;
  std::vector<Bytes>& to_;
  Target target_;
};

const std::array<Translator::Handler, 16> Translator::handlers{{
    {"insert", &Translator::insert},
    {"update", &Translator::update},
    {"replace", &Translator::replace},
    {"delete", &Translator::remove},
    {"drop", &Translator::drop},
    {"rename", &Translator::rename},
    {"dropDatabase", &Translator::drop_database},
    {"create", &Translator::create},
    {"modify", &Translator::modify},
    {"createIndexes", &Translator::create_indexes},
    {"dropIndexes", &Translator::drop_indexes},
    {"startIndexBuild", &Translator::nothing},
    {"abortIndexBuild", &Translator::nothing},
    {"shardCollection", &Translator::nothing},
    {"reshardCollection", &Translator::nothing},
    {"refineCollectionShardKey", &Translator::nothing},
}};

Bytes entry_of(Timestamp at, ByteView wall, Document operation) {
  bson::Builder entry;
  entry.append_timestamp("ts", at);
  entry.append_int64("v", 2);
  if (!wall.empty())
    for (const auto& element : Document::trusted(wall)) entry.append_raw(element.raw);
  for (const auto& element : operation) entry.append_raw(element.raw);
  return entry.take();
}

// One operation of many: a list that is applied as a whole.
Bytes list_of(const std::vector<Bytes>& operations) {
  bson::Builder list;
  list.append_text("op", "c");
  list.append_text("ns", "admin.$cmd");
  list.begin_document("o");
  list.begin_array("applyOps");
  for (std::size_t at = 0; at < operations.size(); ++at)
    list.append_document(std::to_string(at), Document::trusted(operations[at]));
  list.end();
  list.append_bool("alwaysUpsert", false);
  list.end();
  return list.take();
}

Timestamp before(Timestamp at) {
  if (at.ordinal > 0) return {at.seconds, at.ordinal - 1};
  if (at.seconds == 0) return {};
  return {at.seconds - 1, timestamp_max.ordinal};
}

}  // namespace

Bytes change_noop(Timestamp at) {
  bson::Builder noop;
  noop.append_text("op", "n");
  noop.append_text("ns", "");
  noop.begin_document("o");
  noop.append_text("msg", "position of a change stream");
  noop.end();
  return entry_of(at, {}, noop.finish());
}

std::optional<Timestamp> time_of_token(bson::Document token) {
  constexpr std::string_view timestamp_mark = "82";
  constexpr std::size_t digits = 8;
  const auto text = text_of(token.find("_data"));
  if (!text || !text->starts_with(timestamp_mark) || text->size() > token_digits_max)
    return std::nullopt;
  Timestamp time;
  const auto read = [&](std::size_t from, std::uint32_t& out) {
    if (text->size() < from + digits) return false;
    const char* begin = text->data() + from;
    const auto parsed = std::from_chars(begin, begin + digits, out, 16);
    return parsed.ec == std::errc() && parsed.ptr == begin + digits;
  };
  if (!read(2, time.seconds) || !read(2 + digits, time.ordinal)) return std::nullopt;
  return time;
}

Result<std::optional<Bytes>> ChangeEvents::add(bson::Document event) {
  const auto type = text_of(event.find("operationType"));
  const auto cluster_time = event.find("clusterTime");
  if (!type || !cluster_time || cluster_time->type != Type::timestamp)
    return fail(ErrorCode::malformed, "this is no change event");
  const Timestamp time = cluster_time->as_timestamp();
  if (*type == "invalidate")
    return fail(ErrorCode::history_lost,
                fmt::format("the change stream was invalidated at {}", to_text(time)));
  if (time < time_ || time <= last_)
    return fail(ErrorCode::malformed,
                fmt::format("change events go back in time at {}", to_text(time)));
  std::optional<Bytes> entry;
  if (time > time_) {
    entry = finish();
    time_ = time;
    const auto wall = event.find("wallTime");
    if (wall && wall->type == Type::date) {
      bson::Builder builder;
      builder.append("wall", *wall);
      wall_ = builder.take();
    }
  }
  const std::size_t count_before = operations_.size();
  Translator translator(event, *type, operations_);
  TRY(translator.run());
  for (std::size_t at = count_before; at < operations_.size(); ++at)
    operation_bytes_ += operations_[at].size() + operation_overhead_bytes;
  if (operation_bytes_ > change_group_bytes_max || operations_.size() > operations_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("the transaction at {} has more than {} bytes of changes",
                            to_text(time), change_group_bytes_max));
  return entry;
}

std::optional<Bytes> ChangeEvents::advance_to(Timestamp time) {
  if (time_ != Timestamp{} && time_ < time) {
    if (auto entry = finish()) return entry;
  }
  const Timestamp at = before(time);
  if (time_ != Timestamp{} || at <= last_) return std::nullopt;
  return pass(at);
}

Bytes ChangeEvents::pass(Timestamp at) {
  last_ = at;
  return change_noop(at);
}

// A moment whose events change nothing is a no-op.
std::optional<Bytes> ChangeEvents::finish() {
  if (time_ == Timestamp{}) return std::nullopt;
  return take_group();
}

Bytes ChangeEvents::take_group() {
  Bytes entry;
  if (operations_.empty()) {
    entry = change_noop(time_);
  } else if (operations_.size() == 1) {
    entry = entry_of(time_, wall_, Document::trusted(operations_.front()));
  } else {
    const Bytes list = list_of(operations_);
    entry = entry_of(time_, wall_, Document::trusted(list));
  }
  last_ = time_;
  time_ = {};
  operations_.clear();
  operation_bytes_ = 0;
  wall_.clear();
  return entry;
}

}  // namespace holdfast::oplog
