#include "dataset/live_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bson/builder.hpp"
#include "dataset/mongo_dump.hpp"
#include "dataset/namespace_uuid.hpp"
#include "mongo/cursor.hpp"
#include "oplog/facts.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::array<std::string_view, 7> cluster_collections{
    "chunks", "collections", "databases", "settings", "shards", "tags", "version"};
constexpr std::string_view buckets_prefix = "system.buckets.";

std::string text_in(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  if (!value || value->type != bson::Type::string) return {};
  return std::string(value->as_text());
}

std::optional<bson::Document> document_in(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  if (!value || value->type != bson::Type::document) return std::nullopt;
  return value->as_document();
}

// `storageEngine: {enableOrderedIndex: true}`
bool is_added_by_ferretdb(const bson::Element& element) {
  if (element.name != "storageEngine" || element.value.type != bson::Type::document) return false;
  const bson::Document engine = element.value.as_document();
  return engine.find("enableOrderedIndex") &&
         engine.begin()->raw.size() + 5 == engine.bytes().size();
}

Result<MongoCollection> read_listing(const std::string& db, bson::Document listed) {
  MongoCollection collection;
  collection.db = db;
  collection.name = text_in(listed, "name");
  if (collection.name.empty())
    return fail(ErrorCode::malformed,
                fmt::format("listing the collections of {}: one has no name", db));
  const std::string type = text_in(listed, "type");
  if (!type.empty()) collection.type = type;
  collection.has_documents = !collection.is_view() && collection.type != "timeseries";
  const auto options = document_in(listed, "options");
  if (options && !options->is_empty()) collection.options = to_bytes(options->bytes());
  const auto facts = document_in(listed, "info");
  const auto uuid = facts ? facts->find("uuid") : std::nullopt;
  if (uuid && !collection.is_view()) collection.uuid = TRY(oplog::Uuid::from_value(*uuid));
  return collection;
}

class CatalogReader {
 public:
  explicit CatalogReader(mongo::Connection& connection) : connection_(connection) {}

  Result<LiveCatalog> read() {
    const auto names = TRY(databases());
    for (const std::string& db : names) TRY(read_database(db));
    std::sort(catalog_.collections.begin(), catalog_.collections.end(),
              [](const auto& left, const auto& right) { return left.ns() < right.ns(); });
    TRY(check_time_series());
    note_users();
    return std::move(catalog_);
  }

 private:
  Result<std::vector<std::string>> databases() {
    bson::Builder command;
    command.append_int32("listDatabases", 1);
    command.append_bool("nameOnly", true);
    const Bytes answer =
        TRY(connection_.run_ok("admin", command.finish(), "listing the databases"));
    const auto list = bson::Document::trusted(answer).find("databases");
    if (!list || list->type != bson::Type::array)
      return fail(ErrorCode::malformed, "listing the databases: the answer has no list");
    std::vector<std::string> names;
    for (const auto& element : list->as_document()) {
      if (element.value.type != bson::Type::document) continue;
      std::string name = text_in(element.value.as_document(), "name");
      if (name.empty() || name == "local" || name.starts_with("__mdb_internal")) continue;
      if (is_database_name(name))
        names.push_back(std::move(name));
      else
        catalog_.notes.push_back(fmt::format("database {} is left out: its name is none", name));
    }
    return names;
  }

  Result<void> read_database(const std::string& db) {
    bson::Builder command;
    command.append_int32("listCollections", 1);
    command.begin_document("cursor");
    command.end();
    mongo::Reply reply = TRY(connection_.run(db, command.finish()));
    // Some products do not answer this for a database that has nothing.
    if (!reply.is_ok && reply.code == mongo::ServerCode::command_not_found) return {};
    const std::string doing = "listing the collections of " + db;
    if (!reply.is_ok) return fail(error_of(reply, doing));
    std::vector<MongoCollection> listed;
    {
      auto cursor = TRY(mongo::Cursor::adopt(connection_, std::move(reply)));
      while (true) {
        const auto each = TRY(cursor.next().while_doing(doing));
        if (!each) break;
        auto collection = TRY(read_listing(db, bson::Document::trusted(*each)));
        listed.push_back(std::move(collection));
      }
    }
    for (MongoCollection& collection : listed) TRY(add(std::move(collection)));
    return {};
  }

  Result<void> add(MongoCollection collection) {
    if (collection.name == "system.views") catalog_.has_system_collections = true;
    if (!is_backed_up(collection.db, collection.name)) return {};
    if (catalog_.collections.size() == collections_max)
      return fail(ErrorCode::limit_exceeded, "the server has more than a million collections");
    if (!collection.is_view()) {
      const bool is_there = TRY(read_indexes(collection));
      if (!is_there) return {};
    }
    const bool can_have_uuid = collection.has_documents && !connection_.member().set_name.empty();
    if (can_have_uuid && !collection.uuid) collection.uuid = uuid_of_namespace(collection.ns());
    catalog_.collections.push_back(std::move(collection));
    return {};
  }

  // False: the collection is gone meanwhile.
  Result<bool> read_indexes(MongoCollection& collection) {
    bson::Builder command;
    command.append_text("listIndexes", collection.name);
    command.begin_document("cursor");
    command.end();
    mongo::Reply reply = TRY(connection_.run(collection.db, command.finish()));
    const std::string doing = "listing the indexes of " + collection.ns();
    if (!reply.is_ok && reply.code == mongo::ServerCode::namespace_not_found) return false;
    if (!reply.is_ok) return fail(error_of(reply, doing));
    auto cursor = TRY(mongo::Cursor::adopt(connection_, std::move(reply)));
    while (true) {
      const auto spec = TRY(cursor.next().while_doing(doing));
      if (!spec) return true;
      if (collection.indexes.size() == indexes_max)
        return fail(ErrorCode::limit_exceeded,
                    fmt::format("{} has more than {} indexes", collection.ns(), indexes_max));
      collection.indexes.push_back(portable_index(bson::Document::trusted(*spec)));
    }
  }

  // The documents of a time series are its buckets; a server that does not show them would give an
  // empty backup.
  Result<void> check_time_series() const {
    for (const MongoCollection& collection : catalog_.collections) {
      if (collection.type != "timeseries") continue;
      const std::string buckets = std::string(buckets_prefix) + collection.name;
      const bool has_buckets =
          std::any_of(catalog_.collections.begin(), catalog_.collections.end(),
                      [&](const MongoCollection& other) {
                        return other.db == collection.db && other.name == buckets;
                      });
      if (!has_buckets)
        return fail(ErrorCode::unsupported,
                    fmt::format("{} is a time series whose buckets this server does not show",
                                collection.ns()));
    }
    return {};
  }

  void note_users() {
    const bool has_users = std::any_of(
        catalog_.collections.begin(), catalog_.collections.end(),
        [](const MongoCollection& collection) { return collection.ns() == "admin.system.users"; });
    if (!has_users)
      catalog_.notes.emplace_back(
          "users and roles are not in the backup: this server has no admin.system.users");
  }

  mongo::Connection& connection_;
  LiveCatalog catalog_;
};

}  // namespace

bool is_backed_up(std::string_view db, std::string_view collection) {
  if (is_node_local(db, collection) || db.starts_with("__mdb_internal")) return false;
  if (oplog::is_excluded(fmt::format("{}.{}", db, collection))) return false;
  if (db == "config")
    return std::find(cluster_collections.begin(), cluster_collections.end(), collection) !=
           cluster_collections.end();
  return db != "admin" || collection != "system.keys";
}

Bytes portable_index(bson::Document spec) {
  bson::Builder kept;
  for (const auto& element : spec)
    if (!is_added_by_ferretdb(element)) kept.append_raw(element.raw);
  return kept.take();
}

Result<LiveCatalog> read_live_catalog(mongo::Connection& connection) {
  return CatalogReader(connection).read();
}

}  // namespace holdfast::dataset
