#pragma once
// What listCollections and listIndexes say about one collection.
#include <string>
#include <vector>

#include "oplog/order.hpp"

namespace holdfast::oplog {

// Views are not collections: they are documents of `<db>.system.views`.
struct CollectionFacts {
  Uuid uuid;
  std::string ns;              // "db.collection"
  Bytes options;               // BSON document as stored, without uuid; {} if none
  std::vector<Bytes> indexes;  // BSON specs, `_id_` first, in the server's order

  bool is_capped() const;
  bool is_temporary() const;
  bool is_clustered() const;
};

// "db" of "db.collection".
std::string_view database_of(std::string_view ns);
std::string_view collection_of(std::string_view ns);

// Equal by value whatever the order of members and numeric types; `ns`, which old servers add, does
// not count. REQUIRES: validated documents.
bool is_same_index(ByteView left, ByteView right);
std::string_view index_name(ByteView spec);

// Namespaces that no result shows: never replicated, or derived by each node
// (docs/oplog_format.md 2.11).
bool is_excluded(std::string_view ns);

struct IndexBuildInProgress {
  std::string ns;
  Uuid build;
  Timestamp started;
  std::vector<Bytes> specs;
};

}  // namespace holdfast::oplog
