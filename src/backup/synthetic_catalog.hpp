#pragma once
// Which collections a synthetic full has and how they are described: what the engine computes, and
// what a base tells by names only, so that the oplog can not be followed. Pure.
#include <set>

#include "dataset/mongo_manifest.hpp"
#include "oplog/materialise.hpp"

namespace holdfast::backup {

// Of one old base. One thread; the manifest must outlive it.
class SyntheticCatalog {
 public:
  explicit SyntheticCatalog(const dataset::MongoManifest& manifest);

  bool covers(std::string_view ns) const { return coverage_.covers(ns); }
  // Somebody wrote to a namespace, or made one, that the base does not have.
  void note_unknown(std::string_view ns);

  // As listCollections would describe it now. To be asked about every collection.
  dataset::MongoCollection describe(const oplog::CollectionFacts& facts);
  // Of views and time series, which have no documents of their own. Error: unsupported (a time
  // series that was made or changed after the base).
  Result<std::vector<dataset::MongoCollection>> without_documents(
      const oplog::MaterialiseReport& report) const;
  // Collections of the base with documents and no UUID: they stay as they are.
  std::vector<const dataset::StoredCollection*> without_uuid() const;

  // Error unsupported: something changed that the base does not let us follow.
  Result<void> check_followed(const oplog::MaterialiseReport& report) const;

 private:
  const dataset::StoredCollection* find(const oplog::Uuid& uuid) const;
  const dataset::StoredCollection* find(std::string_view ns) const;
  Result<dataset::MongoCollection> describe_view(const oplog::ViewFacts& view) const;

  const dataset::MongoManifest& manifest_;
  dataset::Coverage coverage_;
  std::set<std::string, std::less<>> databases_;
  std::set<std::string, std::less<>> without_uuid_;
  std::set<std::string, std::less<>> touched_;
  std::set<std::string, std::less<>> changed_buckets_;
};

}  // namespace holdfast::backup
