#include "verify/tree_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"
#include "repo/tree.hpp"

namespace holdfast::verify {
namespace {

using repo::BlobHandle;
using repo::BlobId;
using repo::BlobType;
using repo::Node;

class PresenceCheck final : public repo::TreeVisitor {
 public:
  PresenceCheck(const repo::Repository& repository, Findings& findings)
      : repository_(repository),
        findings_(findings),
        seen_data_(repository.index().loaded_count()) {}

  std::uint64_t trees() const { return trees_; }

  Result<void> node(const BlobId& tree, const Node& node, std::string_view previous_name) override {
    if (previous_name.empty()) ++trees_;
    std::vector<repo::TreeFlaw> flaws;
    repo::append_flaws(node, previous_name, flaws);
    for (const auto& flaw : flaws) report_flaw(tree, flaw);
    for (const auto& id : node.content) look_for({BlobType::data, id});
    if (node.subtree) look_for({BlobType::tree, *node.subtree});
    return {};
  }

  Result<void> unreadable(const BlobId& tree, const Error& error) override {
    const BlobHandle handle{BlobType::tree, tree};
    const auto copies = repository_.index().find_all(handle);
    if (copies.empty()) findings_.add_missing(handle);
    for (const auto& copy : copies) {
      const auto pack = repository_.index().pack(copy.pack).id;
      Finding finding;
      finding.kind = FindingKind::damaged_blob;
      finding.object = object_name(pack);
      finding.offset = copy.offset;
      finding.length = copy.length;
      finding.message = describe(error);
      findings_.add_damaged_copy(handle, pack, std::move(finding));
    }
    return {};
  }

 private:
  void look_for(const BlobHandle& handle) {
    const auto copies = repository_.index().positions_of(handle);
    if (copies.count == 0) return findings_.add_missing(handle);
    if (!seen_data_.insert(copies.first)) return;
    if (repository_.index().contains(handle)) return;
    const auto place = repository_.index().at(copies.first);
    Finding finding;
    finding.severity = Severity::note;
    finding.kind = FindingKind::marked_blob;
    finding.object = object_name(repository_.index().pack(place.pack).id);
    finding.offset = place.offset;
    finding.length = place.length;
    finding.message = "needed, but only in a pack marked for deletion: prune will bring it back";
    findings_.add(std::move(finding));
  }

  void report_flaw(const BlobId& tree, const repo::TreeFlaw& flaw) {
    Finding finding;
    const bool is_order = flaw.kind == repo::TreeFlawKind::unordered ||
                          flaw.kind == repo::TreeFlawKind::duplicate_name;
    finding.severity = is_order ? Severity::note : Severity::error;
    finding.kind = FindingKind::bad_tree;
    finding.object = "tree blob " + tree.hex();
    finding.message = fmt::format("node \"{}\": {}", flaw.name, repo::describe(flaw.kind));
    findings_.add(std::move(finding));
  }

  const repo::Repository& repository_;
  Findings& findings_;
  repo::PositionSet seen_data_;
  std::uint64_t trees_ = 0;
};

// Directories in directories: more than any file system can name. Deeper ones are hostile.
constexpr int tree_depth_max = 4096;

// Names the files below one snapshot that a finding costs, descending only where there are any.
class AffectedSearch {
 public:
  AffectedSearch(const repo::Repository& repository, Findings& findings)
      : repository_(repository), findings_(findings) {}

  Result<void> search(const repo::StoredSnapshot& stored) {
    snapshot_ = stored.id;
    const bool affected = TRY(is_affected(stored.snapshot.tree));
    if (!affected) return {};
    return name_affected(stored.snapshot.tree, "");
  }

 private:
  // Whether the tree, or anything below it, is lost. Remembered for each tree.
  Result<bool> is_affected(const BlobId& tree, int depth = 0) {
    if (depth > tree_depth_max) return false;
    const auto known = affected_.find(tree);
    if (known != affected_.end()) return known->second;
    affected_.emplace(tree, false);  // a tree can not be below itself, whatever a hostile one says
    const bool affected = TRY(look_below(tree, depth + 1));
    affected_[tree] = affected;
    return affected;
  }

  Result<bool> look_below(const BlobId& tree, int depth) {
    TRY(repository_.context().check_stop());
    const auto nodes = TRY(nodes_of(tree));
    if (!nodes) return true;
    bool affected = false;
    for (const auto& node : *nodes) {
      if (is_lost(node)) affected = true;
      if (!node.subtree) continue;
      const bool below = TRY(is_affected(*node.subtree, depth));
      affected = affected || below;
    }
    return affected;
  }

  bool is_lost(const Node& node) const {
    return std::ranges::any_of(node.content, [&](const BlobId& id) {
      return !findings_.lost_because({BlobType::data, id}, repository_.index()).empty();
    });
  }

  // Nothing when the tree is lost or can not be read.
  Result<std::optional<std::vector<Node>>> nodes_of(const BlobId& tree) {
    if (!findings_.lost_because({BlobType::tree, tree}, repository_.index()).empty())
      return std::nullopt;
    auto nodes = repository_.load_tree(tree);
    if (nodes.has_value()) return std::move(*nodes);
    if (!repo::is_damage(nodes.error().code)) return fail(nodes.error());
    return std::nullopt;
  }

  Result<void> name_affected(const BlobId& tree, const std::string& path) {
    blame({BlobType::tree, tree}, path.empty() ? "/" : path);
    const auto nodes = TRY(nodes_of(tree));
    if (!nodes) return {};
    for (const auto& node : *nodes) {
      const std::string below = path + "/" + node.name;
      for (const auto& id : node.content) blame({BlobType::data, id}, below);
      if (!node.subtree) continue;
      const bool affected = TRY(is_affected(*node.subtree));
      if (affected) TRY(name_affected(*node.subtree, below));
    }
    return {};
  }

  void blame(const BlobHandle& handle, const std::string& path) {
    for (const auto finding : findings_.lost_because(handle, repository_.index()))
      findings_.affects(finding, snapshot_, path);
  }

  const repo::Repository& repository_;
  Findings& findings_;
  repo::SnapshotId snapshot_;
  std::unordered_map<BlobId, bool> affected_;
};

}  // namespace

Result<std::uint64_t> check_trees(const repo::Repository& repository,
                                  std::span<const repo::StoredSnapshot> snapshots,
                                  Findings& findings) {
  std::vector<BlobId> roots;
  for (const auto& stored : snapshots) roots.push_back(stored.snapshot.tree);
  repo::PositionSet seen(repository.index().loaded_count());
  PresenceCheck check(repository, findings);
  TRY(repo::walk_trees(repository, roots, seen, check));
  return check.trees();
}

Result<void> find_affected(const repo::Repository& repository,
                           std::span<const repo::StoredSnapshot> snapshots, Findings& findings) {
  if (!findings.has_damage()) return {};
  AffectedSearch search(repository, findings);
  for (const auto& stored : snapshots) TRY(search.search(stored));
  return {};
}

}  // namespace holdfast::verify
