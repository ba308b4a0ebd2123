#include "recover/restore_report.hpp"

namespace holdfast::recover {

void RestoreReport::add(RestoreProblems& list, std::string_view path, std::string_view message) {
  ++list.count;
  if (list.kept.size() < restore_problems_kept_max)
    list.kept.push_back({std::string(path), std::string(message)});
}

RestoreFilesResult RestoreReport::result(const repo::SnapshotId& snapshot) {
  RestoreFilesResult result;
  result.snapshot = snapshot;
  result.files = files;
  result.directories = directories;
  result.links = links;
  result.hard_links = hard_links;
  result.others = others;
  result.files_kept = files_kept;
  result.bytes = bytes;
  result.bytes_kept = bytes_kept;
  result.bytes_fetched = bytes_fetched;
  result.blobs_fetched = blobs_fetched;
  result.bytes_read_back = bytes_read_back;
  MutexLock lock(mutex_);
  result.conflicts = conflicts_;
  result.failures = failures_;
  result.warnings = warnings_;
  return result;
}

bool ends_restore(const Error& error) {
  return error.code == ErrorCode::interrupted || error.code == ErrorCode::store_unreachable ||
         error.code == ErrorCode::store_full;
}

}  // namespace holdfast::recover
