#pragma once
// Storing the documents of one collection: into order, into chunks, into blobs, with their index.
#include "catalog/database_tree.hpp"
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_manifest.hpp"

namespace holdfast::backup {

struct CollectionImportSetup {
  repo::Writer& writer;
  DatabaseTree& tree;
  oplog::SpillStore& spill;
  std::size_t sort_memory_bytes_max;
  std::uint64_t chunk_seed;
};

struct CollectionImport {
  dataset::StoredCollection stored;
  std::uint64_t chunk_new_count = 0;
  std::uint64_t duplicate_count = 0;  // documents left out because of a later one, same `_id`
};

// Adds `<db>/<collection>.bson`, its metadata and its chunk index to the tree. The dump is read
// once if its documents ascend by `_id`, else again to sort them.
Result<CollectionImport> import_collection(const CollectionImportSetup& setup,
                                           dataset::DumpReader& dump,
                                           const dataset::MongoCollection& collection);

// Cuts documents (not necessarily with an `_id`) into blobs and adds them as one file.
Result<void> import_stream(const CollectionImportSetup& setup, dataset::DocumentStream& documents,
                           std::string_view path);

}  // namespace holdfast::backup
