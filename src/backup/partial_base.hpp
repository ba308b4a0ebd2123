#pragma once
// What an unfinished copy of a running server has stored, as a small snapshot `kind=partial`: the
// next run reads only what is missing (docs/mongodump_format.md 3). It is replaced after each round
// and removed when the base is published. Its size is about a ten-thousandth of the documents'.
#include <optional>

#include "backup/live_copy.hpp"
#include "catalog/dataset_snapshot.hpp"
#include "repo/repository.hpp"

namespace holdfast::backup {

constexpr std::string_view partial_tag = "kind=partial";

// Plain value.
struct PartialBase {
  std::string server;  // name of the replica set, or address of a lone server
  WallTime started{};  // of the first run, by our clock
  std::optional<oplog::Timestamp> window_first;  // nothing: the server has no oplog
  std::vector<CollectionCopy> collections;       // `done` ranges only are worth something
  std::vector<repo::SnapshotId> snapshots;       // that hold it; to be removed in the end
};

// The newest one of a dataset; ranges whose blobs are gone are not done. Nothing: there is none, or
// it can not be read (a warning then). Snapshots of older ones are listed too.
Result<std::optional<PartialBase>> load_partial(const repo::Repository& repository,
                                                const std::vector<repo::StoredSnapshot>& snapshots,
                                                std::string_view dataset, repo::Writer& writer);

// Publishes it, then removes those before it; `partial.snapshots` is then the new one alone.
Result<void> publish_partial(const repo::Repository& repository, repo::Writer& writer,
                             const catalog::DatasetLabel& label, PartialBase& partial);
Result<void> remove_partial(const repo::Repository& repository, PartialBase& partial);

}  // namespace holdfast::backup
