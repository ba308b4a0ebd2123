#include "recover/restore_window.hpp"

#include <algorithm>

namespace holdfast::recover {

void RestoreReport::add(RestoreProblems& list, std::string_view path, std::string_view message) {
  MutexLock lock(mutex_);
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

FetchPlan plan_fetches(std::vector<NeededBlob> needed) {
  const auto place = [](const NeededBlob& one) {
    return std::pair(one.blob.pack, one.blob.offset);
  };
  std::sort(needed.begin(), needed.end(), [&](const NeededBlob& one, const NeededBlob& other) {
    return place(one) < place(other);
  });
  FetchPlan plan;
  plan.uses.reserve(needed.size());
  std::uint64_t run_begin = 0;
  std::uint64_t run_end = 0;
  for (const auto& one : needed) {
    const bool is_again = !plan.blobs.empty() && plan.blobs.back().blob == one.blob;
    if (!is_again) {
      const auto begin = std::uint64_t{one.blob.offset};
      const auto end = begin + one.blob.length;
      const bool is_neighbour = !plan.blobs.empty() &&
                                plan.blobs.back().blob.pack == one.blob.pack &&
                                begin <= run_end + fetch_gap_bytes_max &&
                                end - run_begin <= fetch_run_bytes_max;
      if (!is_neighbour) {
        plan.runs.push_back({plan.blobs.size(), 0});
        run_begin = begin;
        run_end = begin;
      }
      run_end = std::max(run_end, end);
      ++plan.runs.back().count;
      plan.blobs.push_back({one.blob, static_cast<std::uint32_t>(plan.uses.size()), 0});
    }
    ++plan.blobs.back().use_count;
    plan.uses.push_back(one.use);
  }
  return plan;
}

bool ends_restore(const Error& error) {
  return error.code == ErrorCode::interrupted || error.code == ErrorCode::store_unreachable ||
         error.code == ErrorCode::store_full;
}

}  // namespace holdfast::recover
