#pragma once
// What a restore has done so far and what went wrong with single entries.
#include <atomic>

#include "base/mutex.hpp"
#include "recover/restore_files.hpp"

namespace holdfast::recover {

// Counted by all threads of one restore; problems are kept up to restore_problems_kept_max.
class RestoreReport {
 public:
  std::atomic<std::uint64_t> files = 0, files_kept = 0, bytes = 0, bytes_kept = 0;
  std::atomic<std::uint64_t> bytes_fetched = 0, blobs_fetched = 0, bytes_read_back = 0;
  std::atomic<std::uint64_t> directories = 0, links = 0, hard_links = 0, others = 0;

  void conflict(std::string_view path, std::string_view message) {
    MutexLock lock(mutex_);
    add(conflicts_, path, message);
  }
  void failure(std::string_view path, std::string_view message) {
    MutexLock lock(mutex_);
    add(failures_, path, message);
  }
  void warnings(std::string_view path, const std::vector<std::string>& messages) {
    MutexLock lock(mutex_);
    for (const auto& message : messages) add(warnings_, path, message);
  }
  RestoreFilesResult result(const repo::SnapshotId& snapshot);

 private:
  static void add(RestoreProblems& list, std::string_view path, std::string_view message);

  Mutex mutex_;
  RestoreProblems conflicts_ GUARDED_BY(mutex_);
  RestoreProblems failures_ GUARDED_BY(mutex_);
  RestoreProblems warnings_ GUARDED_BY(mutex_);
};

// Whether an error of one file must end the whole restore.
bool ends_restore(const Error& error);

}  // namespace holdfast::recover
