#pragma once
// Whether the catalog before a copy and the entries of the window give the catalog after it
// (docs/oplog_format.md 7.7). Pure.
#include "dataset/mongo_collection.hpp"
#include "dataset/mongo_stream.hpp"

namespace holdfast::backup {

struct CatalogComparison {
  // Of the second listing: nothing tells how they came to be, as on servers whose oplog has no
  // `create`. They have to be copied too.
  std::vector<dataset::MongoCollection> unexplained;
  std::vector<std::string> contradictions;  // sentences
  bool has_changes = false;                 // an entry changes the catalog
};

// Collections without a UUID can not be followed and do not count. Errors: unsupported (a command
// that must be refused), malformed, corrupt (two collections with one UUID).
Result<CatalogComparison> compare_catalogs(const std::vector<dataset::MongoCollection>& first,
                                           const std::vector<dataset::MongoCollection>& second,
                                           dataset::DocumentStream& window);

}  // namespace holdfast::backup
