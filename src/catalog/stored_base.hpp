#pragma once
// A base snapshot as the engine reads it: catalog from the manifest, documents blob by blob, and
// one document by the chunk index.
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_manifest.hpp"
#include "oplog/materialise.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::catalog {

// One thread. The repository must outlive it, with its index loaded.
class StoredBase final : public oplog::BaseSource {
 public:
  // Use open().
  StoredBase(const repo::Repository& repository, const repo::BlobId& tree)
      : repository_(repository), files_(repository, tree), reader_(repository) {}

  static Result<std::unique_ptr<StoredBase>> open(const repo::Repository& repository,
                                                  const repo::StoredSnapshot& stored);

  const dataset::MongoManifest& manifest() const { return manifest_; }

  // The part of the base that the engine computes with: collections that have a UUID.
  oplog::BaseWindow window() const override;
  Result<std::vector<oplog::CollectionFacts>> collections() override;
  Result<std::unique_ptr<oplog::DocumentReader>> documents(
      const oplog::CollectionFacts& collection) override;
  bool covers(std::string_view ns) const override { return coverage_.covers(ns); }

  // Documents of any collection of the manifest, as they are stored.
  Result<std::unique_ptr<oplog::DocumentReader>> documents(
      const dataset::StoredCollection& collection);

  // One document by reading one blob (capped collections: all). Nothing: it is not there.
  Result<std::optional<Bytes>> find(const dataset::StoredCollection& collection,
                                    const bson::Value& id);
  const dataset::StoredCollection* find_collection(const oplog::Uuid& uuid) const;

 private:
  Result<std::optional<Bytes>> find_in_blob(const repo::BlobId& blob, const bson::Value& id);
  Result<std::optional<repo::BlobId>> find_chunk(const std::vector<repo::BlobId>& index,
                                                 const bson::Value& id);

  const repo::Repository& repository_;
  repo::SnapshotFiles files_;
  repo::BlobReader reader_;
  dataset::MongoManifest manifest_;
  dataset::Coverage coverage_;
};

}  // namespace holdfast::catalog
