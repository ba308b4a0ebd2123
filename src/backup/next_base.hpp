#pragma once
// The next base of a running database: computed from the last one and the recorded oplog when that
// is enough, read from the server when it is not.
#include "backup/backup_mongo.hpp"
#include "backup/stream_mongo.hpp"
#include "backup/synthetic_full.hpp"

namespace holdfast::backup {

struct NextBaseOptions {
  BackupMongoOptions full;  // dataset, author, tags and limits; also for a computed base
  FullPolicy policy;
  RewritePolicy rewrite{.may_put_off = true};
  std::size_t memory_bytes_max = std::size_t{512} << 20;
  oplog::EntryRules rules;
};

struct NextBaseResult {
  FullDecision decision;                  // what was done in the end, and why
  Recorded recorded;                      // of the oplog, by this run, before it computed
  std::optional<BackupMongoResult> full;  // read from the server
  // Computed; without a snapshot: nothing was new, or the base was put off.
  std::optional<SyntheticResult> synthetic;
  std::vector<std::string> notes;  // why a computed base did not come about
};

// What next_base would begin with, from what the repository holds; asks no server. Loads the index.
Result<FullDecision> plan_next_base(repo::Repository& repository, const NextBaseOptions& options);

// The caller holds a shared lock on the repository. Errors: those of backup_mongo; of
// stream_mongo and synthetic_full only those that a copy from the server would meet as well.
Result<NextBaseResult> next_base(repo::Repository& repository, mongo::Deployment& deployment,
                                 const NextBaseOptions& options);

}  // namespace holdfast::backup
