#pragma once
// A bounded part of a restore: files to be made, and the blobs they need in the order of packs.
#include <atomic>
#include <deque>

#include "dataset/files_restore.hpp"
#include "recover/restore_files.hpp"
#include "repo/blob_reader.hpp"

namespace holdfast::recover {

// Bounds of a window. Together about 30 MB of memory.
constexpr std::size_t window_files_max = 16'384;
constexpr std::size_t window_blobs_max = 131'072;
// Neighbours in a pack are read together up to here, also over a gap that costs less than a call.
constexpr std::uint64_t fetch_run_bytes_max = 4 << 20;
constexpr std::uint64_t fetch_gap_bytes_max = 64 << 10;

// Counted by all threads of one restore; problems are kept up to restore_problems_kept_max.
class RestoreReport {
 public:
  std::atomic<std::uint64_t> files = 0, files_kept = 0, bytes = 0, bytes_kept = 0;
  std::atomic<std::uint64_t> bytes_fetched = 0, blobs_fetched = 0, bytes_read_back = 0;
  std::atomic<std::uint64_t> directories = 0, links = 0, hard_links = 0, others = 0;

  void conflict(std::string_view path, std::string_view message) { add(conflicts_, path, message); }
  void failure(std::string_view path, std::string_view message) { add(failures_, path, message); }
  void warnings(std::string_view path, const std::vector<std::string>& messages) {
    for (const auto& message : messages) add(warnings_, path, message);
  }
  RestoreFilesResult result(const repo::SnapshotId& snapshot);

 private:
  void add(RestoreProblems& list, std::string_view path, std::string_view message);

  Mutex mutex_;
  RestoreProblems conflicts_ GUARDED_BY(mutex_);
  RestoreProblems failures_ GUARDED_BY(mutex_);
  RestoreProblems warnings_ GUARDED_BY(mutex_);
};

// A regular file to be restored. Made by the planning thread, then used by the workers.
struct PlannedFile {
  std::string path;  // relative to the target
  dataset::FileEntry metadata;
  std::vector<repo::BlobId> content;
  std::uint64_t content_hash = 0;
  std::uint64_t bytes = 0;
  bool in_new_directory = false;  // nothing can stand there yet
  dataset::Replace replace = dataset::Replace::no;

  enum class Fate : std::uint8_t { pending, kept, made, failed };
  std::atomic<Fate> fate = Fate::pending;
  std::atomic<std::uint32_t> blobs_missing = 0;
  bool resumes = false;  // an unfinished file of a run before is being completed
};

struct BlobUse {
  PlannedFile* file = nullptr;
  std::uint64_t offset = 0;
};
// A blob to be fetched once for all its uses.
struct PlannedBlob {
  repo::IndexedBlob blob;
  std::uint32_t first_use = 0;
  std::uint32_t use_count = 0;
};
// Blobs [first, first + count) lie near each other in one pack.
struct PlannedRun {
  std::size_t first = 0;
  std::size_t count = 0;
};

// What is to be fetched for the files of a window; pure but for the look-up in the index.
struct FetchPlan {
  std::vector<PlannedBlob> blobs;  // by pack and offset
  std::vector<BlobUse> uses;
  std::vector<PlannedRun> runs;
};

// One blob of one file that has to come from the repository.
struct NeededBlob {
  repo::IndexedBlob blob;
  BlobUse use;
};
FetchPlan plan_fetches(std::vector<NeededBlob> needed);

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

// Whether an error of one file must end the whole restore.
bool ends_restore(const Error& error);

}  // namespace holdfast::recover
