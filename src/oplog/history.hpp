#pragma once
// Every version of one document through time (docs/oplog_format.md 5.1, 6.1): the base's version
// and each change by an entry, correct through renames, drops, re-creations and transactions.
#include "oplog/materialise.hpp"

namespace holdfast::oplog {

// All versions together; a longer history is refused, to be asked for in parts.
constexpr std::size_t history_bytes_max = std::size_t{256} << 20;

enum class VersionKind : std::uint8_t {
  base,
  insert,
  update,
  replace,
  remove,
  collection_dropped,
  collection_emptied
};
std::string_view name_of(VersionKind kind);

struct DocumentVersion {
  VersionKind kind = VersionKind::base;
  OrderKey order;            // base: the base's `last`
  std::int64_t wall_ms = 0;  // of the entry; 0 for the base
  Uuid uuid;
  std::string ns;                 // the collection's name at that moment
  std::optional<Bytes> document;  // nothing: deleted
};

struct HistoryRequest {
  std::string ns;                // every collection that bears this name at some time counts
  bson::Value id;                // compared as the server compares (1 = 1.0)
  Timestamp to = timestamp_max;  // last moment of interest; in-doubt transactions are left out
  EntryRules rules;
};

// Looks one document up in the base: nothing if absent.
using BaseLookup =
    std::function<Result<std::optional<Bytes>>(const CollectionFacts& collection, bson::Value id)>;

// Reads the entries twice. Versions ascending by order. A fuzzy base's own version is shown as of
// its `last`, after the replay of the window. Errors as materialise(), and limit_exceeded.
Result<std::vector<DocumentVersion>> history_of(BaseSource& base, const BaseLookup& lookup,
                                                EntrySource& entries, SpillStore& spill,
                                                const HistoryRequest& request);

}  // namespace holdfast::oplog
