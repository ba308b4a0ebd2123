#pragma once
// Storing a base: documents, metadata and chunk index of each collection, the manifest, and last
// the snapshot (docs/mongodump_format.md 3).
#include "backup/collection_content.hpp"
#include "catalog/dataset_snapshot.hpp"

namespace holdfast::backup {

// One thread. Fill manifest() but for its collections; add collections ascending by namespace;
// publish() once.
class BaseSnapshot {
 public:
  BaseSnapshot(const repo::Repository& repository, repo::Writer& writer,
               const catalog::DatasetLabel& label)
      : writer_(writer),
        seed_(chunk_seed_of(repository)),
        snapshot_(repository, writer, label, dataset::base_tag) {
    manifest_.dataset = label.dataset;
  }

  dataset::MongoManifest& manifest() { return manifest_; }
  void add_tags(const std::vector<std::string>& tags) { snapshot_.add_tags(tags); }

  // A view, or another thing without documents.
  Result<void> add_metadata(const dataset::MongoCollection& collection);
  // `content`: finished; of facts.has_documents.
  Result<dataset::StoredCollection> add_collection(const dataset::MongoCollection& facts,
                                                   CollectionContent& content);
  // oplog.bson, the entries of the window: what makes a copy whole that was made during writes.
  Result<void> add_window_oplog(dataset::DocumentStream& entries);

  Result<repo::SnapshotId> publish();
  const repo::SnapshotSummary& summary() const { return snapshot_.summary(); }
  std::uint64_t byte_count() { return snapshot_.tree().byte_count(); }

 private:
  repo::Writer& writer_;
  std::uint64_t seed_;
  catalog::DatasetSnapshot snapshot_;
  dataset::MongoManifest manifest_;
};

// Capped collections keep their natural order.
dataset::StoredOrder stored_order_of(const dataset::MongoCollection& collection);

}  // namespace holdfast::backup
