#pragma once
// From the paths a person gives to the shape of the root tree (docs/repository_format.md A9 "From
// paths to the root tree"): absolute paths keep their place, relative ones stand under their own
// components, `.` is replaced by its entries, and a second top name from elsewhere gets `-1`.
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace holdfast::dataset {

constexpr std::size_t glob_matches_max = 1'000'000;

// One name of the tree. Either a real entry to be walked (`source` set), or a directory that only
// leads to targets: it takes its metadata from `facts_path` and has `children`.
struct TargetNode {
  std::string source;
  std::string facts_path;
  // The target whose file system bounds the walk: that of `source`, or the directory that was
  // replaced by its entries.
  std::string file_system_of;
  std::map<std::string, TargetNode> children;
};

struct TargetTree {
  TargetNode root;                 // nameless; never has a source
  std::vector<std::string> paths;  // absolute and cleaned, as a snapshot records them
};

// `usage` when there is no path. Paths that do not exist are found by the walk.
Result<TargetTree> build_target_tree(const std::vector<std::string>& paths);

struct ExpandedPaths {
  std::vector<std::string> paths;      // sorted within each glob, in the order of the arguments
  std::vector<std::string> unmatched;  // globs that match nothing
};
// A path that exists is taken as it is, whatever characters it has. `*`, `?`, `[a]` match within
// one name, `**` any number of directories; entries that begin with a dot are matched too.
Result<ExpandedPaths> expand_globs(const std::vector<std::string>& patterns);

// Without `.`, `..` after a name, and repeated slashes, by text alone (like Go's path.Clean).
std::string clean_path(std::string_view path);
Result<std::string> absolute_path(std::string_view path);

}  // namespace holdfast::dataset
