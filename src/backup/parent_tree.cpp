#include "backup/parent_tree.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::backup {

const repo::StoredSnapshot* choose_parent(const std::vector<repo::StoredSnapshot>& snapshots,
                                          std::string_view hostname,
                                          const std::vector<std::string>& paths, WallTime time) {
  const auto has_all_paths = [&](const repo::Snapshot& snapshot) {
    return std::all_of(paths.begin(), paths.end(), [&](const std::string& path) {
      return std::find(snapshot.paths.begin(), snapshot.paths.end(), path) != snapshot.paths.end();
    });
  };
  const repo::StoredSnapshot* newest = nullptr;
  for (const auto& stored : snapshots) {
    const auto& snapshot = stored.snapshot;
    if (snapshot.hostname != hostname || !has_all_paths(snapshot)) continue;
    const auto taken = repo::to_wall_time(snapshot.time);
    if (taken > time) continue;
    if (newest == nullptr || taken >= repo::to_wall_time(newest->snapshot.time)) newest = &stored;
  }
  return newest;
}

ParentTree::ParentTree(const repo::Repository& repository, const repo::StoredSnapshot* snapshot)
    : repository_(repository), reader_(repository) {
  if (snapshot != nullptr) root_ = snapshot->snapshot.tree;
}

void ParentTree::enter(const repo::Node* previous) {
  auto level = std::make_unique<Level>();
  if (levels_.empty() && root_)
    open(*level, *root_);
  else if (previous != nullptr && previous->subtree)
    open(*level, *previous->subtree);
  levels_.push_back(std::move(level));
}

void ParentTree::leave() {
  levels_.pop_back();
}

void ParentTree::open(Level& level, const repo::BlobId& tree) {
  const auto blob = reader_.load({repo::BlobType::tree, tree});
  if (!blob.has_value()) {
    repository_.context().log.warn(
        fmt::format("a directory of the parent snapshot can not be read, its files are read again: "
                    "{}",
                    describe(blob.error())));
    return;
  }
  level.blob = to_bytes(*blob);
  level.reader.emplace(level.blob);
  level.advance();
}

void ParentTree::Level::advance() {
  const auto got = reader->next(node);
  has_node = got.has_value() && *got;  // a malformed rest is as good as none
}

repo::Node* ParentTree::find(std::string_view name) {
  auto& level = *levels_.back();
  while (level.has_node && level.node.name < name) level.advance();
  return level.has_node && level.node.name == name ? &level.node : nullptr;
}

}  // namespace holdfast::backup
