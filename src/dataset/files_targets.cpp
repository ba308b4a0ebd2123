#include "dataset/files_targets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "dataset/patterns.hpp"

namespace holdfast::dataset {
namespace {

constexpr std::size_t glob_depth_max = 1000;

std::string join(std::string_view directory, std::string_view name) {
  if (directory.empty() || directory == ".") return std::string(name);
  std::string path(directory);
  if (path.back() != '/') path += '/';
  return path.append(name);
}

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

// Names in the tree: leading dots of a relative path lead nowhere.
std::vector<std::string> tree_components(const std::string& cleaned) {
  auto parts = split(cleaned);
  const auto first = std::find_if(parts.begin(), parts.end(), [](const std::string& part) {
    return part != ".." && part != ".";
  });
  parts.erase(parts.begin(), first);
  return parts;
}

// Where the first component of the tree really lies: "/", ".", or "../..".
std::string real_root_of(const std::string& cleaned) {
  if (cleaned.starts_with('/')) return "/";
  std::string root = ".";
  for (const auto& part : split(cleaned)) {
    if (part != "..") break;
    if (root == ".")
      root = "..";
    else
      root += "/..";
  }
  return root;
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    names.push_back(at->path().filename().string());
    if (names.size() > glob_matches_max)
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("{} has more than {} entries", directory, glob_matches_max));
  }
  if (error) return fail_errno("list " + directory, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

void add_below(TargetNode& node, const TargetNode& target, const std::string& real_directory,
               std::vector<std::string> components) {
  TargetNode* at = &node;
  std::string real = real_directory;
  while (components.size() > 1) {
    at = &at->children[components.front()];
    real = join(real, components.front());
    if (at->facts_path.empty()) at->facts_path = real;
    components.erase(components.begin());
  }
  auto& leaf = at->children[components.front()];
  leaf.source = target.source;
  leaf.file_system_of = target.file_system_of;
}

// The free name for a first component that another root has taken already.
std::string top_name(const std::map<std::string, std::string>& roots, const std::string& name,
                     const std::string& root) {
  auto candidate = name;
  for (std::size_t suffix = 1;; ++suffix) {
    const auto taken = roots.find(candidate);
    if (taken == roots.end() || taken->second == root) return candidate;
    candidate = fmt::format("{}-{}", name, suffix);
  }
}

// A target that has other targets below it becomes a listing, so that each name is walked once.
Result<void> unroll(TargetNode& node) {
  if (!node.source.empty() && !node.children.empty()) {
    const auto names = TRY(names_in(node.source));
    for (const auto& name : names) {
      auto& child = node.children[name];
      if (!child.source.empty()) continue;
      child.source = join(node.source, name);
      child.file_system_of = node.file_system_of;
    }
    node.facts_path = std::exchange(node.source, {});
  }
  for (auto& [name, child] : node.children) TRY(unroll(child));
  return {};
}

// Expands one glob; recursion depth is the number of components plus directories under `**`.
class GlobExpansion {
 public:
  explicit GlobExpansion(const std::string& pattern)
      : components_(compile_path_components(
            std::string_view(pattern).substr(pattern.starts_with('/') ? 1 : 0))),
        base_(pattern.starts_with('/') ? "/" : "") {
    // Everything below a directory is the directory's entries: each is walked as a whole.
    if (pattern.ends_with("/**")) components_.erase(components_.end() - 2);
  }

  Result<std::vector<std::string>> expand() {
    TRY(descend(base_, 0, 0));
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

 private:
  Result<void> descend(const std::string& base, std::size_t index, std::size_t depth) {
    if (index == components_.size()) {
      if (found_.size() >= glob_matches_max)
        return fail(ErrorCode::limit_exceeded,
                    fmt::format("a glob matches more than {} paths", glob_matches_max));
      found_.push_back(base);
      return {};
    }
    const auto& component = components_[index];
    if (component.any_depth) return descend_any_depth(base, index, depth);
    if (component.glob.is_literal()) {
      auto path = join(base, component.glob.literal());
      struct stat status{};
      if (::lstat(path.c_str(), &status) != 0) return {};
      return descend(path, index + 1, depth);
    }
    return for_each_name(base, [&](const std::string& name) -> Result<void> {
      if (!component.glob.matches(name)) return {};
      return descend(join(base, name), index + 1, depth);
    });
  }

  Result<void> descend_any_depth(const std::string& base, std::size_t index, std::size_t depth) {
    TRY(descend(base, index + 1, depth));
    if (depth >= glob_depth_max) return {};
    return for_each_name(base, [&](const std::string& name) -> Result<void> {
      auto path = join(base, name);
      struct stat status{};
      if (::lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return {};
      return descend(path, index, depth + 1);
    });
  }

  template <class F>
  static Result<void> for_each_name(const std::string& directory, const F& visit) {
    const auto names = names_in(directory.empty() ? "." : directory);
    if (!names.has_value()) {  // not a directory, or not ours to read: nothing matches there
      if (names.error().code == ErrorCode::limit_exceeded) return fail(names.error());
      return {};
    }
    for (const auto& name : *names) TRY(visit(name));
    return {};
  }

  std::vector<PathComponent> components_;
  std::string base_;
  std::vector<std::string> found_;
};

}  // namespace

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string> kept;
  for (auto& part : split(path)) {
    if (part == ".") continue;
    if (part == ".." && !kept.empty() && kept.back() != "..")
      kept.pop_back();
    else if (part != ".." || !rooted)
      kept.push_back(std::move(part));
  }
  std::string cleaned = rooted ? "/" : "";
  for (const auto& part : kept) {
    if (!cleaned.empty() && cleaned.back() != '/') cleaned += '/';
    cleaned += part;
  }
  return cleaned.empty() ? "." : cleaned;
}

Result<std::string> absolute_path(std::string_view path) {
  if (path.starts_with('/')) return clean_path(path);
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  if (error) return fail_errno("find the current directory", error.value());
  return clean_path(here.string() + "/" + std::string(path));
}

Result<TargetTree> build_target_tree(const std::vector<std::string>& paths) {
  if (paths.empty()) return fail(ErrorCode::usage, "no path to back up was given");
  TargetTree tree;
  std::vector<TargetNode> targets;
  for (const auto& path : paths) {
    if (path.empty()) return fail(ErrorCode::usage, "an empty path can not be backed up");
    const auto cleaned = clean_path(path);
    auto recorded = TRY(absolute_path(cleaned));
    tree.paths.push_back(std::move(recorded));
    if (!tree_components(cleaned).empty()) {
      targets.push_back({cleaned, {}, cleaned, {}});
      continue;
    }
    const auto names = TRY(names_in(cleaned));
    for (const auto& name : names) targets.push_back({join(cleaned, name), {}, cleaned, {}});
  }
  std::map<std::string, std::string> roots;
  for (const auto& target : targets) {
    auto components = tree_components(target.source);
    const auto root = real_root_of(target.source);
    const auto real_first = join(root, components.front());
    const auto name = top_name(roots, components.front(), root);
    roots.emplace(name, root);
    if (components.size() == 1) {
      components.front() = name;
      add_below(tree.root, target, root, std::move(components));
      continue;
    }
    auto& top = tree.root.children[name];
    top.facts_path = real_first;
    components.erase(components.begin());
    add_below(top, target, real_first, std::move(components));
  }
  TRY(unroll(tree.root));
  return tree;
}

Result<ExpandedPaths> expand_globs(const std::vector<std::string>& patterns) {
  ExpandedPaths expanded;
  for (const auto& pattern : patterns) {
    struct stat status{};
    const bool has_wildcard = pattern.find_first_of("*?[") != std::string::npos;
    if (!has_wildcard || ::lstat(pattern.c_str(), &status) == 0) {
      expanded.paths.push_back(pattern);
      continue;
    }
    auto found = TRY(GlobExpansion(pattern).expand());
    if (found.empty()) expanded.unmatched.push_back(pattern);
    std::move(found.begin(), found.end(), std::back_inserter(expanded.paths));
  }
  return expanded;
}

}  // namespace holdfast::dataset
