#include "dataset/mongo_manifest.hpp"

#include <fmt/format.h>

#include "bson/ext_json.hpp"
#include "dataset/json_fields.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::uint64_t manifest_format = 1;
constexpr std::string_view place = "manifest";
// BSON repeats the names of list elements, which JSON has not.
constexpr std::size_t manifest_bson_bytes_max = 2 * manifest_bytes_max;

std::string_view name_of(oplog::BaseKind kind) {
  switch (kind) {
    case oplog::BaseKind::exact:
      return "exact";
    case oplog::BaseKind::file_copy:
      return "file_copy";
    case oplog::BaseKind::fuzzy:
      break;
  }
  return "fuzzy";
}

void append_member(std::string_view name, std::string_view value, std::string& to) {
  to += fmt::format(",\"{}\":", name);
  bson::append_json_string(value, to);
}

void append_collection(const StoredCollection& stored, std::string& to) {
  const MongoCollection& facts = stored.facts;
  to += "{\"db\":";
  bson::append_json_string(facts.db, to);
  append_member("name", facts.name, to);
  append_member("type", facts.type, to);
  if (facts.uuid) append_member("uuid", facts.uuid->hex(), to);
  to += fmt::format(",\"metadata\":{},\"documents\":{}", facts.has_metadata, facts.has_documents);
  append_member("order", stored.order == StoredOrder::by_id ? "by_id" : "natural", to);
  to += fmt::format(",\"count\":{},\"bytes\":{},\"chunks\":{}", stored.count, stored.bytes,
                    stored.chunk_count);
  append_member("digest", stored.digest.hex(), to);
  if (!facts.options.empty()) {
    to += ",\"options\":";
    bson::append_ext_json(bson::Document::trusted(facts.options), bson::JsonForm::canonical, to);
  }
  to += ",\"indexes\":[";
  for (std::size_t at = 0; at < facts.indexes.size(); ++at) {
    if (at != 0) to += ',';
    bson::append_ext_json(bson::Document::trusted(facts.indexes[at]), bson::JsonForm::canonical,
                          to);
  }
  to += "]}";
}

Result<StoredCollection> read_collection(bson::Document document) {
  const JsonFields fields(document, place);
  StoredCollection stored;
  MongoCollection& facts = stored.facts;
  facts.db = TRY(fields.text("db"));
  facts.name = TRY(fields.text("name"));
  facts.type = TRY(fields.text("type"));
  facts.has_metadata = fields.is_true("metadata");
  facts.has_documents = fields.is_true("documents");
  if (fields.find("uuid")) {
    const std::string uuid = TRY(fields.text("uuid"));
    facts.uuid = TRY(oplog::Uuid::parse(uuid));
  }
  const std::string order = TRY(fields.text("order"));
  if (order != "by_id" && order != "natural") return fields.wrong("order");
  stored.order = order == "by_id" ? StoredOrder::by_id : StoredOrder::natural;
  stored.count = TRY(fields.number("count"));
  stored.bytes = TRY(fields.number("bytes"));
  stored.chunk_count = TRY(fields.number("chunks"));
  const std::string digest = TRY(fields.text("digest"));
  stored.digest = TRY(bson::Digest256::parse(digest));
  const auto options = fields.find("options");
  if (options && options->type != bson::Type::document) return fields.wrong("options");
  if (options) facts.options = to_bytes(options->bytes);
  const bson::Document indexes = TRY(fields.list("indexes"));
  for (const bson::Element& index : indexes) {
    if (index.value.type != bson::Type::document) return fields.wrong("indexes");
    facts.indexes.push_back(to_bytes(index.value.bytes));
  }
  return stored;
}

Result<oplog::BaseWindow> read_window(const JsonFields& fields) {
  const std::string kind = TRY(fields.text("kind"));
  oplog::BaseWindow window;
  window.first = TRY(fields.timestamp("first"));
  window.last = TRY(fields.timestamp("last"));
  for (const auto known :
       {oplog::BaseKind::exact, oplog::BaseKind::file_copy, oplog::BaseKind::fuzzy}) {
    if (kind != name_of(known)) continue;
    window.kind = known;
    return window;
  }
  return fields.wrong("kind");
}

std::string file_of(const MongoCollection& collection, std::string_view suffix) {
  return fmt::format("{}/{}{}", collection.db, file_stem_of(collection.name), suffix);
}

}  // namespace

std::string dataset_tag(std::string_view dataset) {
  return fmt::format("dataset={}", dataset);
}

Result<void> check_dataset_name(std::string_view name) {
  constexpr std::size_t name_bytes_max = 100;
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  const bool is_right = !name.empty() && name.size() <= name_bytes_max && name[0] != '.' &&
                        name.find_first_not_of(allowed) == std::string_view::npos;
  if (is_right) return {};
  return fail(
      ErrorCode::usage,
      fmt::format("'{}' is no name for a dataset: letters, digits, '-', '_' and '.'", name));
}

std::string documents_path(const MongoCollection& collection) {
  return file_of(collection, ".bson");
}

std::string metadata_path(const MongoCollection& collection) {
  return file_of(collection, ".metadata.json");
}

std::string chunk_index_path(const MongoCollection& collection) {
  return ".holdfast/chunks/" + file_of(collection, ".bson");
}

Coverage::Coverage(const MongoManifest& manifest)
    : scope_(manifest.scope), has_system_collections_(manifest.has_system_collections) {
  for (const StoredCollection& stored : manifest.collections) {
    databases_.insert(stored.facts.db);
    namespaces_.insert(stored.facts.ns());
  }
}

bool Coverage::covers(std::string_view ns) const {
  if (namespaces_.contains(ns)) return true;
  const std::string_view db = ns.substr(0, ns.find('.'));
  const std::string_view name = ns.substr(std::min(ns.size(), db.size() + 1));
  const bool has_database = databases_.contains(db);
  if (db == "local" || db == "config" || db.starts_with("__mdb_internal")) return false;
  if (db == "admin") return has_database && name != "system.keys";
  if (scope_ == DumpScope::databases && !has_database) return false;
  return has_system_collections_ || !name.starts_with("system.") || name == "system.js";
}

std::string encode_window(const oplog::BaseWindow& window) {
  return fmt::format("{{\"kind\":\"{}\",\"first\":{},\"last\":{}}}", name_of(window.kind),
                     timestamp_json(window.first), timestamp_json(window.last));
}

Result<oplog::BaseWindow> decode_window(std::string_view json) {
  const Bytes bytes = TRY(bson::parse_ext_json(json));
  return read_window(JsonFields(bson::Document::trusted(bytes), "window"));
}

std::string encode_manifest(const MongoManifest& manifest) {
  std::string text = fmt::format("{{\"format\":{}", manifest_format);
  append_member("dataset", manifest.dataset, text);
  append_member("server_version", manifest.server_version, text);
  append_member("tool_version", manifest.tool_version, text);
  append_member("scope", manifest.scope == DumpScope::instance ? "instance" : "databases", text);
  text += fmt::format(",\"system_collections\":{}", manifest.has_system_collections);
  if (manifest.window) text += ",\"window\":" + encode_window(*manifest.window);
  text += ",\"collections\":[";
  for (std::size_t at = 0; at < manifest.collections.size(); ++at) {
    text += at == 0 ? "\n" : ",\n";
    append_collection(manifest.collections[at], text);
  }
  return text + "\n]}\n";
}

Result<MongoManifest> decode_manifest(std::string_view json) {
  const Bytes bytes = TRY(bson::parse_ext_json(json, manifest_bson_bytes_max));
  const JsonFields fields(bson::Document::trusted(bytes), place);
  const std::uint64_t format = TRY(fields.number("format"));
  if (format != manifest_format)
    return fail(ErrorCode::unsupported, fmt::format("manifest: format {} is not known", format));
  MongoManifest manifest;
  manifest.dataset = TRY(fields.text("dataset"));
  manifest.server_version = TRY(fields.text("server_version"));
  manifest.tool_version = TRY(fields.text("tool_version"));
  const std::string scope = TRY(fields.text("scope"));
  manifest.scope = scope == "instance" ? DumpScope::instance : DumpScope::databases;
  manifest.has_system_collections = fields.is_true("system_collections");
  if (fields.find("window")) {
    const JsonFields window = TRY(fields.object("window"));
    manifest.window = TRY(read_window(window));
  }
  const bson::Document collections = TRY(fields.list("collections"));
  for (const bson::Element& element : collections) {
    if (element.value.type != bson::Type::document) return fields.wrong("collections");
    StoredCollection stored = TRY(read_collection(element.value.as_document()));
    manifest.collections.push_back(std::move(stored));
  }
  return manifest;
}

}  // namespace holdfast::dataset
