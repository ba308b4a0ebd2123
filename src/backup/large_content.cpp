#include "backup/large_content.hpp"

namespace holdfast::backup {

Result<void> finish_file(FileJob& job, repo::Node node, BackupCounters& counters) {
  if (job.previous_content && *job.previous_content == node.content)
    ++counters.files_unmodified;
  else if (job.is_new)
    ++counters.files_new;
  else
    ++counters.files_changed;
  ++counters.files_done;
  return job.tree->fill(job.slot, std::move(node));
}

std::size_t LargeContent::expect(std::size_t chunk_count) {
  MutexLock lock(mutex_);
  const auto first = ids_.size();
  ids_.resize(first + chunk_count);
  missing_ += chunk_count;
  return first;
}

Result<void> LargeContent::accept(repo::Node node) {
  {
    MutexLock lock(mutex_);
    accepted_ = std::move(job_);
    node_ = std::move(node);
    if (missing_ > 0) return {};
  }
  return finish();
}

Result<void> LargeContent::put(std::size_t first_number, std::span<const repo::SavedBlob> blobs) {
  {
    MutexLock lock(mutex_);
    for (std::size_t number = 0; number < blobs.size(); ++number)
      ids_[first_number + number] = blobs[number].id;
    missing_ -= blobs.size();
    if (missing_ > 0 || !accepted_) return {};
  }
  return finish();
}

// Only one thread gets here: the one that saw the last id or, when there is none, accept.
Result<void> LargeContent::finish() {
  std::optional<FileJob> job;
  repo::Node node;
  {
    MutexLock lock(mutex_);
    job = std::exchange(accepted_, std::nullopt);
    node = std::move(node_);
    node.content = std::move(ids_);
  }
  return finish_file(*job, std::move(node), counters_);
}

}  // namespace holdfast::backup
