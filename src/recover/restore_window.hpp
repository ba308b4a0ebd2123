#pragma once
// A bounded part of a restore: files to be made, and the blobs they need in the order of packs.
#include <deque>

#include "recover/fetch_plan.hpp"
#include "recover/restore_report.hpp"
#include "repo/blob_reader.hpp"

namespace holdfast::recover {

// Bounds of a window. Together about 30 MB of memory.
constexpr std::size_t window_files_max = 16'384;
constexpr std::size_t window_blobs_max = 131'072;

// Carries out one window after the other. One thread calls; it starts workers for each window.
class WindowRestore {
 public:
  WindowRestore(const repo::Repository& repository, dataset::RestoreDirectory& target,
                const RestoreFilesOptions& options, RestoreReport& report);

  // REQUIRES: at most window_files_max files. Afterwards no file is pending.
  Result<void> restore(std::deque<PlannedFile>& files);
  // For progress; 0 when unknown.
  void expect(std::uint64_t files, std::uint64_t bytes);

 private:
  using Step = Result<void> (WindowRestore::*)(std::size_t item, repo::BlobReader& reader);
  Result<void> on_all_threads(std::size_t item_count, Step step);

  // Steps for file or run number so and so.
  Result<void> prepare(std::size_t number, repo::BlobReader& reader);
  Result<void> fetch(std::size_t number, repo::BlobReader& reader);
  Result<void> read_back(std::size_t number, repo::BlobReader& reader);

  Result<void> prepare_file(PlannedFile& file);
  Result<bool> settle_existing(PlannedFile& file, const dataset::TargetPlace& place,
                               const std::vector<repo::IndexedBlob>& blobs);
  Result<std::vector<bool>> begin_partial(PlannedFile& file, const dataset::TargetPlace& place,
                                          const std::vector<repo::IndexedBlob>& blobs);
  Result<void> write_uses(const PlannedBlob& blob, ByteView plain);
  Result<void> write_piece(PlannedFile& file, std::uint64_t offset, ByteView plain);
  Result<void> finish_file(PlannedFile& file, const dataset::TargetPlace& place,
                           const dataset::PartialFile& partial);
  // Notes the failure of one file, or returns an error that ends everything.
  Result<void> fail_file(PlannedFile& file, const Error& error);

  const repo::Repository& repository_;
  dataset::RestoreDirectory& target_;
  const RestoreFilesOptions& options_;
  RestoreReport& report_;
  unsigned thread_count_ = 1;
  std::uint64_t files_expected_ = 0, bytes_expected_ = 0;
  std::deque<PlannedFile>* files_ = nullptr;
  FetchPlan plan_;
  Mutex mutex_;
  std::vector<NeededBlob> needed_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::recover
