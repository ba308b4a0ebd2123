#pragma once
// Which blobs a set of files needs, in the order of packs: pure but for the look-up in the index.
#include <atomic>
#include <vector>

#include "dataset/files_restore.hpp"
#include "repo/index_run.hpp"

namespace holdfast::recover {

// Neighbours in a pack are read together up to here, also over a gap that costs less than a call.
constexpr std::uint64_t fetch_run_bytes_max = 4 << 20;
constexpr std::uint64_t fetch_gap_bytes_max = 64 << 10;

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

}  // namespace holdfast::recover
