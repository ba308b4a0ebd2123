#include "recover/browse_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "dataset/patterns.hpp"
#include "recover/snapshot_walk.hpp"
#include "repo/names.hpp"

namespace holdfast::recover {
namespace {

std::string with_slash(std::string_view prefix, std::string_view path) {
  std::string whole = "/";
  whole += prefix;
  if (!prefix.empty() && !path.empty()) whole += '/';
  return whole += path;
}

struct OpenedPlace {
  repo::StoredSnapshot snapshot;
  std::string path;
  repo::Node node;
};

Result<OpenedPlace> open_place(repo::Repository& repository, std::string_view text) {
  auto place = parse_snapshot_place(text);
  OpenedPlace opened;
  opened.snapshot = TRY(repository.find_snapshot(place.snapshot));
  TRY(repository.load_index());
  opened.node = TRY(find_node(repository, opened.snapshot.snapshot.tree, place.path));
  opened.path = std::move(place.path);
  return opened;
}

class Lister final : public SnapshotVisitor {
 public:
  Lister(const OpenedPlace& place, Depth depth, const BrowseVisitor& visit, BrowseResult& result)
      : place_(place), depth_(depth), visit_(visit), result_(result) {}

  Result<Descend> enter(const SnapshotPath& at, const repo::Node& directory) override {
    TRY(entry(at, directory));
    return depth_ == Depth::all ? Descend::yes : Descend::no;
  }
  Result<void> leave(const SnapshotPath&, const repo::Node&) override { return {}; }
  Result<void> entry(const SnapshotPath& at, const repo::Node& node) override {
    return visit_({place_.snapshot, with_slash(place_.path, at.path), node});
  }
  Result<void> broken(const SnapshotPath& at, const Error& error) override {
    result_.problems.push_back(with_slash(place_.path, at.path) + ": " + error.message);
    return {};
  }

 private:
  const OpenedPlace& place_;
  const Depth depth_;
  const BrowseVisitor& visit_;
  BrowseResult& result_;
};

// Directories that have nothing to be found, by path and tree: most of a series of snapshots is the
// same, and is walked once.
using EmptyDirectories = std::unordered_set<std::string>;

class Finder final : public SnapshotVisitor {
 public:
  Finder(const repo::StoredSnapshot& snapshot, const dataset::PatternSet& patterns,
         const BrowseVisitor& visit, BrowseResult& result, EmptyDirectories& empty)
      : snapshot_(snapshot), patterns_(patterns), visit_(visit), result_(result), empty_(empty) {}

  Result<Descend> enter(const SnapshotPath& at, const repo::Node& directory) override {
    TRY(match(at, directory, dataset::EntryShape::directory));
    if (empty_.contains(key(at, directory))) return Descend::no;
    hits_before_.push_back(hits_);
    return Descend::yes;
  }
  Result<void> leave(const SnapshotPath& at, const repo::Node& directory) override {
    const bool is_empty = hits_ == hits_before_.back();
    hits_before_.pop_back();
    if (is_empty && empty_.size() < find_memory_trees_max) empty_.insert(key(at, directory));
    return {};
  }
  Result<void> entry(const SnapshotPath& at, const repo::Node& node) override {
    return match(at, node, dataset::EntryShape::other);
  }
  Result<void> broken(const SnapshotPath& at, const Error& error) override {
    ++hits_;  // what can not be read is not known to be empty
    result_.problems.push_back(fmt::format("{}: {}: {}", snapshot_.id.short_hex(),
                                           with_slash("", at.path), error.message));
    return {};
  }

 private:
  static std::string key(const SnapshotPath& at, const repo::Node& directory) {
    return std::string(as_text(directory.subtree->view())).append(at.path);
  }
  Result<void> match(const SnapshotPath& at, const repo::Node& node, dataset::EntryShape shape) {
    if (patterns_.match({at.path, at.path, shape}) != dataset::Match::yes) return {};
    ++hits_;
    return visit_({snapshot_, with_slash("", at.path), node});
  }

  const repo::StoredSnapshot& snapshot_;
  const dataset::PatternSet& patterns_;
  const BrowseVisitor& visit_;
  BrowseResult& result_;
  EmptyDirectories& empty_;
  std::uint64_t hits_ = 0;
  std::vector<std::uint64_t> hits_before_;
};

Result<std::vector<repo::StoredSnapshot>> chosen_snapshots(const repo::Repository& repository,
                                                           const std::vector<std::string>& names) {
  if (names.empty()) return repository.snapshots();
  std::vector<repo::StoredSnapshot> chosen;
  for (const auto& name : names) {
    auto snapshot = TRY(repository.find_snapshot(name));
    chosen.push_back(std::move(snapshot));
  }
  return chosen;
}

// Whether a snapshot was meant to have this path: one of its targets is it, or above or below it.
bool covers(const repo::Snapshot& snapshot, std::string_view path) {
  const auto is_prefix = [](std::string_view prefix, std::string_view whole) {
    return whole.starts_with(prefix) &&
           (whole.size() == prefix.size() || prefix.empty() || whole[prefix.size()] == '/');
  };
  return std::any_of(snapshot.paths.begin(), snapshot.paths.end(), [&](std::string_view target) {
    while (target.starts_with('/')) target.remove_prefix(1);
    return is_prefix(target, path) || is_prefix(path, target);
  });
}

bool same_content(const std::optional<repo::Node>& one, const std::optional<repo::Node>& other) {
  if (!one || !other) return !one && !other;
  return one->type == other->type && one->content == other->content &&
         one->subtree == other->subtree && one->link_target == other->link_target &&
         one->device == other->device;
}

}  // namespace

Result<BrowseResult> list_files(repo::Repository& repository, std::string_view place, Depth depth,
                                const BrowseVisitor& visit) {
  const auto opened = TRY(open_place(repository, place));
  BrowseResult result;
  if (opened.node.type != repo::NodeType::dir || !opened.node.subtree) {
    TRY(visit({opened.snapshot, with_slash(opened.path, ""), opened.node}));
    return result;
  }
  Lister lister(opened, depth, visit, result);
  TRY(walk_snapshot_tree(repository, *opened.node.subtree, lister));
  return result;
}

Result<BrowseResult> find_files(repo::Repository& repository, const FindOptions& options,
                                const BrowseVisitor& visit) {
  dataset::PatternSet patterns;
  for (const auto& line : options.patterns) TRY(patterns.add_line(line));
  const auto snapshots = TRY(chosen_snapshots(repository, options.snapshots));
  TRY(repository.load_index());
  BrowseResult result;
  EmptyDirectories empty;
  for (const auto& snapshot : snapshots) {
    Finder finder(snapshot, patterns, visit, result, empty);
    TRY(walk_snapshot_tree(repository, snapshot.snapshot.tree, finder));
  }
  return result;
}

Result<void> print_file(repo::Repository& repository, std::string_view place,
                        const ContentVisitor& visit) {
  const auto opened = TRY(open_place(repository, place));
  if (opened.node.type != repo::NodeType::file)
    return fail(ErrorCode::refused,
                fmt::format("{} is not a regular file", with_slash(opened.path, "")));
  repo::BlobReader reader(repository);
  for (const auto& id : opened.node.content) {
    TRY(repository.context().check_stop());
    const auto piece = TRY(reader.load({repo::BlobType::data, id}));
    TRY(visit(piece));
  }
  return {};
}

Result<std::vector<FileVersion>> versions_of_file(repo::Repository& repository,
                                                  const VersionsOptions& options) {
  const auto path = parse_snapshot_place(":" + options.path).path;
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  std::vector<FileVersion> versions;
  std::optional<repo::BlobId> last_tree;
  for (const auto& stored : snapshots) {
    if (options.hostname && stored.snapshot.hostname != *options.hostname) continue;
    if (!covers(stored.snapshot, path)) continue;
    std::optional<repo::Node> node;
    if (last_tree == stored.snapshot.tree) {
      node = versions.back().node;
    } else {
      auto found = find_node(repository, stored.snapshot.tree, path);
      if (!found.has_value() && found.error().code != ErrorCode::not_found)
        return fail(std::move(found.error()));
      if (found.has_value()) node = std::move(*found);
    }
    last_tree = stored.snapshot.tree;
    if (versions.empty() || !same_content(versions.back().node, node))
      versions.push_back({stored, stored, 0, std::move(node)});
    versions.back().last = stored;
    ++versions.back().snapshot_count;
  }
  // Before the path appeared for the first time there is nothing to tell.
  if (!versions.empty() && !versions.front().node) versions.erase(versions.begin());
  return versions;
}

}  // namespace holdfast::recover
