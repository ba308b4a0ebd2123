#pragma once
// One collection at T: the sorted base merged with the sorted operations, as streams.
#include "oplog/base_cursor.hpp"

namespace holdfast::oplog {

// What merging needs besides the two streams. Holds references. One thread.
struct MergeTools {
  SpillStore& spill;
  Anomalies& anomalies;
  DocumentState& state;
  std::size_t memory_bytes;  // for the sorters of capped collections
};

// Where the documents go: one call each, in the collection's order.
using DocumentOut = std::function<Result<void>(ByteView document)>;

// Uncapped: in order of K(_id). Effects up to `collection.emptied` do not count.
Result<CollectionTotals> merge_by_id(BaseCursor& base, OpStream& ops,
                                     const CatalogCollection& collection, MergeTools& tools,
                                     const DocumentOut& out);

// Capped: in natural order, trimmed from the oldest to `max` and `size`
// (docs/oplog_format.md 2.7).
Result<CollectionTotals> merge_capped(BaseCursor& base, OpStream& ops,
                                      const CatalogCollection& collection, MergeTools& tools,
                                      const DocumentOut& out);

}  // namespace holdfast::oplog
