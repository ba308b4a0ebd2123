#pragma once
// Which blobs of before a run relies on, and what to do when somebody pruned meanwhile.
//
// A run looks blobs up in the index it loaded. A prune that starts later does not know that they
// are needed again, and may mark their packs for deletion (docs/repository_format.md A14); it
// deletes them only after a grace period and a new look at the snapshots. So before publishing, a
// run looks at the index files again and lists packs that it needs and that are no longer live.
#include <atomic>

#include "repo/repository.hpp"

namespace holdfast::repo {

// mark() is thread-safe; secure() after the markers are done. The repository must outlive it.
class ReusedBlobs {
 public:
  explicit ReusedBlobs(const Repository& repository);

  void mark(std::uint64_t position);  // of Index

  // Makes every marked blob, and every blob added to the index by this run, live again if it is
  // not. `own_files` are the index files of this run. Durable when this returns. Errors: conflict
  // when a needed pack is gone (somebody ignored our lock); the run has to be repeated.
  Result<void> secure(const std::vector<IndexId>& own_files) const;

 private:
  using PackNumbers = std::vector<bool>;  // by pack number
  Result<bool> index_files_vanished(const std::vector<IndexId>& own_files) const;
  Result<PackNumbers> packs_to_revive(const Index& now) const;
  Result<void> check_exist(const PackNumbers& needed) const;
  Result<void> list_again(const PackNumbers& needed) const;
  Result<void> list_again(const std::vector<std::uint32_t>& numbers) const;

  const Repository& repository_;
  std::vector<std::atomic<std::uint64_t>> bits_;  // one for each loaded position
};

}  // namespace holdfast::repo
