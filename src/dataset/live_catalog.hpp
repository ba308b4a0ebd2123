#pragma once
// What a running server says about its databases and collections, as mongodump would write it down
// (docs/mongodump_format.md 1).
#include "dataset/mongo_collection.hpp"
#include "mongo/connection.hpp"

namespace holdfast::dataset {

// Plain value.
struct LiveCatalog {
  std::vector<MongoCollection> collections;  // ascending by namespace; in the end all that is kept
  bool has_system_collections = false;       // the server shows `system.views` and its like
  std::vector<std::string> notes;            // what is left out and why, for a person
};

// Whether a collection belongs into a base: not `local`, not what each node derives; of `config`
// only what describes a cluster; of `admin` all but `system.keys`. Pure.
bool is_backed_up(std::string_view db, std::string_view collection);

// Lists databases, collections and indexes. Where a member of a replica set lists no UUID, it is
// that of namespace_uuid.hpp, as in its oplog; of a lone server it is absent. Errors: those of
// Connection::run_ok; limit_exceeded above collections_max.
Result<LiveCatalog> read_live_catalog(mongo::Connection& connection);

// One index without members that one product adds by itself (`storageEngine:
// {enableOrderedIndex: true}` of FerretDB). Pure.
Bytes portable_index(bson::Document spec);

}  // namespace holdfast::dataset
