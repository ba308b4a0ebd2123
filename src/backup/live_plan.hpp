#pragma once
// Before a running server is copied: into which stretches its collections are cut. Where a base of
// the dataset exists they are cut as its chunks are, so that the same documents give the same
// blobs.
#include "backup/live_copy.hpp"
#include "dataset/live_catalog.hpp"
#include "repo/repository.hpp"

namespace holdfast::backup {

struct LivePlanSetup {
  const repo::Repository& repository;
  const std::vector<repo::StoredSnapshot>& snapshots;
  std::string_view dataset;
  mongo::Connection& connection;
  std::size_t range_bytes = 0;
  // What an unfinished copy has; taken where collection and order are the same.
  std::vector<CollectionCopy> unfinished;
};

// One for each collection that has documents. Errors: those of the connection. A previous base that
// can not be read is no error.
Result<std::vector<CollectionCopy>> plan_copies(
    LivePlanSetup setup, const std::vector<dataset::MongoCollection>& collections);

}  // namespace holdfast::backup
