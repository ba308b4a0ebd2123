#pragma once
// Looks into snapshots of files without restoring: list, find, print, compare, and the versions of
// one path through time. All are streams: entries go to the caller one by one, in the order of
// paths, and the caller's error ends the walk.
//
// The caller holds a shared lock. Each function loads the index itself.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "repo/repository.hpp"

namespace holdfast::recover {

constexpr std::size_t find_memory_trees_max = 1'000'000;

enum class Depth : std::uint8_t { one_level, all };

// One entry of a snapshot; `path` begins with a slash. Valid during the call only.
struct BrowsedEntry {
  const repo::StoredSnapshot& snapshot;
  std::string_view path;
  const repo::Node& node;
};
using BrowseVisitor = std::function<Result<void>(const BrowsedEntry& entry)>;

// What could not be read on the way; the walk went on without it.
struct BrowseResult {
  std::vector<std::string> problems;
};

// `place` is "SNAPSHOT" or "SNAPSHOT:path". A file is its own listing.
Result<BrowseResult> list_files(repo::Repository& repository, std::string_view place, Depth depth,
                                const BrowseVisitor& visit);

struct FindOptions {
  std::vector<std::string> patterns;   // lines of gitignore(5)
  std::vector<std::string> snapshots;  // ids or prefixes; empty: all, oldest first
};
Result<BrowseResult> find_files(repo::Repository& repository, const FindOptions& options,
                                const BrowseVisitor& visit);

// The content of one file, piece by piece. Errors: not_found, refused (not a regular file).
using ContentVisitor = std::function<Result<void>(ByteView piece)>;
Result<void> print_file(repo::Repository& repository, std::string_view place,
                        const ContentVisitor& visit);

enum class DifferenceKind : std::uint8_t { added, removed, content, metadata, type };
struct Difference {
  DifferenceKind kind = DifferenceKind::added;
  std::string path;  // begins with a slash
  const repo::Node* before = nullptr;
  const repo::Node* after = nullptr;
};
using DifferenceVisitor = std::function<Result<void>(const Difference& difference)>;

struct DiffResult {
  std::uint64_t added = 0, removed = 0, content = 0, metadata = 0, type = 0;  // entries
  std::uint64_t bytes_added = 0, bytes_removed = 0;                           // of whole files
  std::vector<std::string> problems;
};
// Two places, each "SNAPSHOT" or "SNAPSHOT:path" of a directory.
Result<DiffResult> diff_files(repo::Repository& repository, std::string_view before,
                              std::string_view after, const DifferenceVisitor& visit);

// One state of a path, over as many snapshots as it did not change in.
struct FileVersion {
  repo::StoredSnapshot first, last;  // the oldest and the newest snapshot that have it
  std::uint64_t snapshot_count = 0;
  std::optional<repo::Node> node;  // none: the path is not there
};
struct VersionsOptions {
  std::string path;
  std::optional<std::string> hostname;  // only snapshots of this host
};
// Oldest first. Equal contents in a row are one version. Snapshots whose paths do not cover the
// path are passed over, so that other datasets in the repository do not look like deletions.
Result<std::vector<FileVersion>> versions_of_file(repo::Repository& repository,
                                                  const VersionsOptions& options);

}  // namespace holdfast::recover
