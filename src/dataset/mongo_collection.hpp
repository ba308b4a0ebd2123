#pragma once
// What a dump says about one collection or view, and how mongodump writes that down:
// `<collection>.metadata.json` and the file name of the collection.
#include <optional>
#include <string>
#include <vector>

#include "bson/view.hpp"
#include "oplog/order.hpp"

namespace holdfast::dataset {

// Limits for foreign metadata.
constexpr std::size_t metadata_bytes_max = std::size_t{16} << 20;
constexpr std::size_t indexes_max = 4096;

// Plain value.
struct MongoCollection {
  std::string db;
  std::string name;
  std::string type = "collection";  // as listCollections says: collection, view, timeseries
  std::optional<oplog::Uuid> uuid = {};
  Bytes options = {};               // BSON document; of no bytes if none were given
  std::vector<Bytes> indexes = {};  // BSON specs in the server's order
  bool has_metadata = true;         // false: only documents, as `$admin.system.users`
  bool has_documents = true;        // false: a view, or a time series (its buckets are apart)

  std::string ns() const { return db + "." + name; }
  bool is_view() const { return type == "view"; }
  bool is_capped() const;
  bool is_clustered() const;
};

// Canonical Extended JSON with mongodump's fields in mongodump's order.
std::string metadata_json(const MongoCollection& collection);
// Reads metadata into `collection`; its name is replaced if the text has one. Errors: malformed,
// limit_exceeded.
Result<void> read_metadata(std::string_view json, MongoCollection& collection);

// "orders/2024 é" -> "orders%2F2024+%C3%A9"; names longer than 238 bytes end in a hash instead.
std::string file_stem_of(std::string_view collection);
// Undoes the escapes; the hash of a long name can not be undone (the metadata has the name).
std::string collection_of(std::string_view file_stem);

// Whether mongod accepts it and it can be one component of a path.
bool is_database_name(std::string_view name);

}  // namespace holdfast::dataset
