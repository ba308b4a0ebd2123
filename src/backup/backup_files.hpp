#pragma once
// Backs up files: walks the targets, reads what changed since the parent snapshot, stores contents
// and trees, and publishes one snapshot as its last step.
//
// An entry that can not be read is reported and left out, and the snapshot is still published: the
// result says so, and the caller decides (exit status of ErrorCode::source_incomplete).
#include <optional>
#include <string>
#include <vector>

#include "backup/files_node.hpp"
#include "catalog/snapshot_author.hpp"
#include "dataset/files_walk.hpp"
#include "repo/writer.hpp"

namespace holdfast::backup {

// Problems kept in a result; more are only counted.
constexpr std::size_t problems_kept_max = 10'000;
// How often a file that changes while it is read is read again before the last reading is taken.
constexpr unsigned read_again_max = 3;
constexpr unsigned threads_max = 64;

using catalog::SnapshotAuthor;

enum class DryRun : std::uint8_t { no, yes };
enum class ParentChoice : std::uint8_t { newest_alike, none, given };

struct FilesBackupOptions {
  std::vector<std::string> paths;  // globs are expanded
  dataset::ExcludeOptions exclude;
  dataset::FileSystems file_systems = dataset::FileSystems::one;
  std::vector<std::string> required;  // paths or globs that the snapshot must have
  std::vector<std::string> before;    // argv; the run stops when it fails
  std::vector<std::string> after;     // argv; runs in any case

  SnapshotAuthor author;
  std::vector<std::string> tags;
  std::string note;
  std::optional<WallTime> time;  // default: when the run starts
  TimeOffset time_offset = TimeOffset::utc;

  ParentChoice parent_choice = ParentChoice::newest_alike;
  std::string parent;  // for ParentChoice::given: id, prefix or "latest"
  ChangeDetection change_detection;

  DryRun dry_run = DryRun::no;  // walks and compares, reads and stores nothing
  repo::WriterOptions writer;
  unsigned threads = 0;  // 0: one per processor
};

struct PathProblem {
  std::string path;
  std::string message;
};

// A list that remembers how long it would be.
struct ProblemList {
  std::vector<PathProblem> kept;
  std::uint64_t count = 0;
};

struct FilesBackupResult {
  std::optional<repo::SnapshotId> snapshot;  // none in a dry run
  std::optional<repo::SnapshotId> parent;
  repo::BlobId tree;
  repo::SnapshotSummary summary;
  ProblemList unreadable;                       // left out of the snapshot
  ProblemList changed_while_read;               // in the snapshot, maybe as a mixture
  ProblemList attribute_warnings;               // in the snapshot without some attribute
  std::uint64_t excluded = 0;                   // entries, by rules
  std::uint64_t bytes_to_read = 0;              // of new and changed files; dry run only
  std::vector<std::string> other_file_systems;  // not entered, the first problems_kept_max
  std::vector<std::string> unmatched_globs;
  std::optional<Error> after_error;  // the snapshot is there all the same

  bool is_complete() const {
    return unreadable.count == 0 && unmatched_globs.empty() && !after_error;
  }
};

// The caller holds a shared lock on the repository. Loads the index. Errors: usage (no path),
// not_found (no path exists, or a required one is missing; the message names it), failed (`before`
// failed), interrupted (what was stored is kept for the next run), those of the repository.
Result<FilesBackupResult> backup_files(repo::Repository& repository,
                                       const FilesBackupOptions& options);

}  // namespace holdfast::backup
