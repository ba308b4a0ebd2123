#pragma once
// Restores files of a snapshot to a directory: to a new place, or over what a restore before left
// unfinished. Nothing is ever written outside the target or through a symlink, whatever the tree
// says; nothing that differs is replaced unless asked.
//
// The snapshot is taken in windows of bounded size: entries of the tree are planned, their blobs
// read in the order of packs with one request per run of neighbours, decoded and written by all
// processors. A file appears under its name when it is complete, with its metadata; directories get
// theirs when everything in them is done.
#include <string>
#include <vector>

#include "dataset/files_restore.hpp"
#include "dataset/patterns.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

constexpr std::size_t restore_problems_kept_max = 10'000;
constexpr unsigned restore_threads_max = 64;

// What happens when something else stands where an entry is to be restored.
enum class Overwrite : std::uint8_t {
  never,  // it stays, and is reported as a conflict
  yes,    // files, links and devices are replaced; a directory never is
};
enum class DryRun : std::uint8_t { no, yes };
// Whether every file written is read back and compared after it got its name.
enum class ReadBack : std::uint8_t { no, yes };

struct RestoreFilesOptions {
  std::string snapshot;  // id, prefix or "latest"; ":path" restores what is below that path
  std::string to;        // made when missing
  std::vector<std::string>
      include;  // lines of gitignore(5) about paths in the snapshot; empty: all
  std::vector<std::string> exclude;
  Overwrite overwrite = Overwrite::never;
  DryRun dry_run = DryRun::no;
  ReadBack read_back = ReadBack::no;
  unsigned threads = 0;  // 0: one per processor
};

struct RestoreProblem {
  std::string path;  // in the target
  std::string message;
};
struct RestoreProblems {
  std::vector<RestoreProblem> kept;
  std::uint64_t count = 0;
};

// In a dry run: what would be.
struct RestoreFilesResult {
  repo::SnapshotId snapshot;
  std::uint64_t files = 0, directories = 0, links = 0, hard_links = 0, others = 0;  // made
  std::uint64_t files_kept = 0;     // were there already with the same content
  std::uint64_t bytes = 0;          // of files made
  std::uint64_t bytes_kept = 0;     // of files kept, and of pieces of unfinished ones
  std::uint64_t bytes_fetched = 0;  // read from the store, sealed
  std::uint64_t blobs_fetched = 0;
  std::uint64_t bytes_read_back = 0;
  RestoreProblems conflicts;  // stay as they are: something else stands there
  RestoreProblems failures;   // could not be restored
  RestoreProblems warnings;   // restored without an owner, an attribute, a device
  bool is_complete() const { return conflicts.count == 0 && failures.count == 0; }
};

// The caller holds a shared lock. Loads the index. Errors: those of finding the snapshot, of the
// target directory, interrupted (run it again: it goes on), of a store that can not be reached;
// single files that fail are in the result.
Result<RestoreFilesResult> restore_files(repo::Repository& repository,
                                         const RestoreFilesOptions& options);

}  // namespace holdfast::recover
