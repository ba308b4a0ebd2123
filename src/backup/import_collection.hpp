#pragma once
// Storing the documents of one collection of a dump: into order, into chunks, into blobs.
#include "backup/base_snapshot.hpp"

namespace holdfast::backup {

struct CollectionImportSetup {
  repo::Writer& writer;
  BaseSnapshot& base;
  oplog::SpillStore& spill;
  std::size_t sort_memory_bytes_max;
  std::uint64_t chunk_seed;
};

struct CollectionImport {
  dataset::StoredCollection stored;
  std::uint64_t chunk_new_count = 0;
  std::uint64_t duplicate_count = 0;  // documents left out because of a later one, same `_id`
};

// Adds the collection to the base. The dump is read once if its documents ascend by `_id`, else
// again to sort them.
Result<CollectionImport> import_collection(const CollectionImportSetup& setup,
                                           dataset::DumpReader& dump,
                                           const dataset::MongoCollection& collection);

}  // namespace holdfast::backup
