#include "recover/live_catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "mongo/cursor.hpp"
#include "oplog/facts.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

constexpr std::uint8_t empty_document[] = {5, 0, 0, 0, 0};

// Added by FerretDB; not part of an index.
constexpr std::string_view foreign_index_key = "storageEngine";

Result<LiveCollection> read_collection(const std::string& db, Document row) {
  LiveCollection out;
  out.db = db;
  out.name = text_of(row, "name");
  if (out.name.empty()) return fail(ErrorCode::malformed, "a collection of " + db + " has no name");
  out.type = text_of(row, "type");
  if (out.type.empty()) out.type = "collection";
  const auto options = row.find("options");
  const bool has_options = options && options->type == bson::Type::document;
  out.options = to_bytes(has_options ? options->bytes : ByteView(empty_document));
  const auto details = row.find("info");
  if (!details || details->type != bson::Type::document) return out;
  const auto uuid = details->as_document().find("uuid");
  if (!uuid) return out;
  const auto parsed = oplog::Uuid::from_value(*uuid);
  if (parsed.has_value()) out.uuid = *parsed;
  return out;
}

Result<std::vector<LiveCollection>> list(mongo::Connection& connection, const std::string& db,
                                         const std::string* name) {
  bson::Builder command;
  command.append_int32("listCollections", 1);
  if (name != nullptr) {
    command.begin_document("filter");
    command.append_text("name", *name);
    command.end();
  }
  auto reply = TRY(connection.run(db, command.finish()));
  if (!reply.is_ok && reply.code == mongo::ServerCode::namespace_not_found)
    return std::vector<LiveCollection>();
  if (!reply.is_ok) return fail(mongo::error_of(reply, "listing the collections of " + db));
  auto cursor = TRY(mongo::Cursor::adopt(connection, std::move(reply)));
  std::vector<LiveCollection> all;
  while (true) {
    const auto row = TRY(cursor.next());
    if (!row) break;
    if (all.size() == live_collections_max)
      return fail(ErrorCode::limit_exceeded, db + " has too many collections");
    auto collection = TRY(read_collection(db, Document::trusted(*row)));
    // A server that ignores the filter answers with all.
    if (name == nullptr || collection.name == *name) all.push_back(std::move(collection));
  }
  std::sort(all.begin(), all.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return all;
}

Bytes without(Document spec, std::string_view name) {
  bson::Builder out;
  for (const auto& element : spec) {
    if (element.name != name) out.append_raw(element.raw);
  }
  return out.take();
}

// Without what differs between servers and versions and means nothing for the data.
Bytes comparable(Document spec) {
  constexpr std::array<std::string_view, 5> ignored{"v", "ns", "background", "textIndexVersion",
                                                    "2dsphereIndexVersion"};
  bson::Builder out;
  for (const auto& element : spec) {
    const bool is_false = element.value.type == bson::Type::boolean && !element.value.as_bool();
    const bool is_ignored =
        std::find(ignored.begin(), ignored.end(), element.name) != ignored.end() || is_false;
    if (!is_ignored) out.append_raw(element.raw);
  }
  return out.take();
}

bool is_text(const bson::Value& value, std::string_view text) {
  return value.type == bson::Type::string && value.as_text() == text;
}

bool is_not_compared(std::string_view option) {
  return option == "uuid" || option == "autoIndexId" || option == "temp";
}

// What no option means to the server: catalogs write some of it out, and oplog entries do not.
bool is_default(const bson::Element& option) {
  const bson::Value& value = option.value;
  if (option.name == "validationLevel") return is_text(value, "strict");
  if (option.name == "validationAction") return is_text(value, "error");
  if (value.type == bson::Type::boolean) return !value.as_bool();
  const bool has_parts = value.type == bson::Type::document || value.type == bson::Type::array;
  return has_parts && value.as_document().is_empty();
}

const Bytes* find_index(const std::vector<Bytes>& specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const Bytes& spec) {
    return oplog::index_name(spec) == name;
  });
  return found == specs.end() ? nullptr : &*found;
}

}  // namespace

std::string text_of(Document document, std::string_view name) {
  const auto value = document.find(name);
  return value && value->type == bson::Type::string ? std::string(value->as_text()) : std::string();
}

Result<std::vector<std::string>> list_databases(mongo::Connection& connection) {
  bson::Builder command;
  command.append_int32("listDatabases", 1);
  command.append_bool("nameOnly", true);
  const Bytes reply = TRY(connection.run_ok("admin", command.finish(), "listing the databases"));
  const auto rows = Document::trusted(reply).find("databases");
  std::vector<std::string> names;
  if (!rows || rows->type != bson::Type::array) return names;
  for (const auto& row : rows->as_document()) {
    if (row.value.type != bson::Type::document) continue;
    std::string name = text_of(row.value.as_document(), "name");
    if (!name.empty()) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<LiveCollection>> list_collections(mongo::Connection& connection,
                                                     const std::string& db) {
  return list(connection, db, nullptr);
}

Result<std::optional<LiveCollection>> find_collection(mongo::Connection& connection,
                                                      const std::string& db,
                                                      const std::string& name) {
  auto all = TRY(list(connection, db, &name));
  if (all.empty()) return std::optional<LiveCollection>();
  return std::optional<LiveCollection>(std::move(all.front()));
}

Result<std::vector<Bytes>> list_indexes(mongo::Connection& connection, const std::string& db,
                                        const std::string& collection) {
  bson::Builder command;
  command.append_text("listIndexes", collection);
  auto reply = TRY(connection.run(db, command.finish()));
  if (!reply.is_ok && reply.code == mongo::ServerCode::namespace_not_found)
    return std::vector<Bytes>();
  if (!reply.is_ok)
    return fail(
        mongo::error_of(reply, fmt::format("listing the indexes of {}.{}", db, collection)));
  auto cursor = TRY(mongo::Cursor::adopt(connection, std::move(reply)));
  std::vector<Bytes> specs;
  while (true) {
    const auto row = TRY(cursor.next());
    if (!row) return specs;
    specs.push_back(without(Document::trusted(*row), foreign_index_key));
  }
}

Result<std::uint64_t> count_documents(mongo::Connection& connection, const std::string& db,
                                      const std::string& collection) {
  bson::Builder command;
  command.append_text("count", collection);
  const Bytes reply = TRY(connection.run_ok(
      db, command.finish(), fmt::format("counting the documents of {}.{}", db, collection)));
  const auto n = Document::trusted(reply).find("n");
  const auto count = n ? n->as_integer() : std::nullopt;
  return count && *count > 0 ? static_cast<std::uint64_t>(*count) : std::uint64_t{0};
}

Result<bool> is_empty(mongo::Connection& connection, const std::string& db,
                      const std::string& collection) {
  mongo::FindRequest request;
  request.db = db;
  request.collection = collection;
  request.limit = 1;
  auto cursor = TRY(mongo::Cursor::open(connection, request));
  const auto first = TRY(cursor.next());
  return !first.has_value();
}

bool is_system_database(std::string_view db) {
  return db == "local" || db == "config" || db == notes_database;
}

std::vector<std::string> describe_options(ByteView wanted, ByteView found) {
  std::vector<std::string> sentences;
  if (wanted.empty()) return sentences;
  const auto have = Document::trusted(found.empty() ? ByteView(empty_document) : found);
  for (const auto& element : Document::trusted(wanted)) {
    if (is_not_compared(element.name)) continue;
    const auto other = have.find(element.name);
    if (!other && !is_default(element))
      sentences.push_back(fmt::format("has not the option {}", element.name));
    else if (other && !bson::is_same(element.value, *other))
      sentences.push_back(fmt::format("has another {}: {}", element.name,
                                      bson::to_ext_json(*other, bson::JsonForm::relaxed)));
  }
  return sentences;
}

std::vector<std::string> describe_added_options(ByteView wanted, ByteView found) {
  std::vector<std::string> sentences;
  if (found.empty()) return sentences;
  const auto asked = Document::trusted(wanted.empty() ? ByteView(empty_document) : wanted);
  for (const auto& element : Document::trusted(found)) {
    if (is_not_compared(element.name) || is_default(element) || asked.find(element.name)) continue;
    sentences.push_back(fmt::format("has the option {} too: {}", element.name,
                                    bson::to_ext_json(element.value, bson::JsonForm::relaxed)));
  }
  return sentences;
}

std::vector<std::string> describe_indexes(const std::vector<Bytes>& wanted,
                                          const std::vector<Bytes>& found) {
  std::vector<std::string> sentences;
  for (const Bytes& spec : wanted) {
    const std::string_view name = oplog::index_name(spec);
    if (name == "_id_") continue;  // made by the server out of the collection's options
    const Bytes* other = find_index(found, name);
    if (other == nullptr)
      sentences.push_back(fmt::format("has not the index {}", name));
    else if (!oplog::is_same_index(comparable(Document::trusted(spec)),
                                   comparable(Document::trusted(*other))))
      sentences.push_back(fmt::format("has another index of the name {}", name));
  }
  for (const Bytes& spec : found) {
    const bool is_implied = oplog::index_name(spec) == "_id_";
    if (!is_implied && find_index(wanted, oplog::index_name(spec)) == nullptr)
      sentences.push_back(fmt::format("has the index {} too", oplog::index_name(spec)));
  }
  return sentences;
}

}  // namespace holdfast::recover
