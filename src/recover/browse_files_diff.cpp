#include <algorithm>

#include "recover/browse_files.hpp"
#include "recover/snapshot_walk.hpp"
#include "repo/tree.hpp"

namespace holdfast::recover {
namespace {

bool same_metadata(const repo::Node& one, const repo::Node& other) {
  return one.mode == other.mode && one.uid == other.uid && one.gid == other.gid &&
         one.mtime.seconds == other.mtime.seconds &&
         one.mtime.nanoseconds == other.mtime.nanoseconds &&
         one.extended_attributes == other.extended_attributes;
}

bool same_content(const repo::Node& one, const repo::Node& other) {
  return one.content == other.content && one.link_target == other.link_target &&
         one.device == other.device;
}

// Walks two trees side by side and passes over subtrees with the same id.
class TreeDiff {
 public:
  TreeDiff(const repo::Repository& repository, const DifferenceVisitor& visit, DiffResult& result)
      : repository_(repository), visit_(visit), result_(result) {}

  Result<void> compare(const std::optional<repo::BlobId>& before,
                       const std::optional<repo::BlobId>& after) {
    if (before == after) return {};
    TRY(repository_.context().check_stop());
    if (depth_ >= tree_depth_max) return problem("the tree is too deep");
    ++depth_;
    const auto one = TRY(load(before));
    const auto other = TRY(load(after));
    auto left = one.begin();
    auto right = other.begin();
    while (left != one.end() || right != other.end()) {
      const bool takes_left =
          right == other.end() || (left != one.end() && left->name <= right->name);
      const bool takes_right =
          left == one.end() || (right != other.end() && right->name <= left->name);
      TRY(compare_nodes(takes_left ? &*left : nullptr, takes_right ? &*right : nullptr));
      if (takes_left) ++left;
      if (takes_right) ++right;
    }
    --depth_;
    return {};
  }

 private:
  Result<std::vector<repo::Node>> load(const std::optional<repo::BlobId>& tree) {
    if (!tree) return std::vector<repo::Node>{};
    auto nodes = repository_.load_tree(*tree);
    if (nodes.has_value()) {
      std::stable_sort(nodes->begin(), nodes->end(),
                       [](const auto& one, const auto& other) { return one.name < other.name; });
      return nodes;
    }
    TRY(problem(nodes.error().message));
    return std::vector<repo::Node>{};
  }

  Result<void> problem(const std::string& message) {
    result_.problems.push_back((path_.empty() ? "/" : path_) + ": " + message);
    return {};
  }

  Result<void> compare_nodes(const repo::Node* before, const repo::Node* after) {
    const auto path_bytes = path_.size();
    path_ += '/';
    path_ += (before != nullptr ? before : after)->name;
    TRY(tell_difference(before, after));
    const auto subtree = [](const repo::Node* node) {
      return node != nullptr ? node->subtree : std::optional<repo::BlobId>();
    };
    auto compared = compare(subtree(before), subtree(after));
    path_.resize(path_bytes);
    return compared;
  }

  Result<void> tell_difference(const repo::Node* before, const repo::Node* after) {
    if (before == nullptr) {
      ++result_.added;
      result_.bytes_added += after->size;
      return visit_({DifferenceKind::added, path_, before, after});
    }
    if (after == nullptr) {
      ++result_.removed;
      result_.bytes_removed += before->size;
      return visit_({DifferenceKind::removed, path_, before, after});
    }
    if (before->type != after->type) {
      ++result_.type;
      return visit_({DifferenceKind::type, path_, before, after});
    }
    if (!same_content(*before, *after)) {
      ++result_.content;
      return visit_({DifferenceKind::content, path_, before, after});
    }
    if (!same_metadata(*before, *after)) {
      ++result_.metadata;
      return visit_({DifferenceKind::metadata, path_, before, after});
    }
    return {};
  }

  const repo::Repository& repository_;
  const DifferenceVisitor& visit_;
  DiffResult& result_;
  std::string path_;
  std::size_t depth_ = 0;
};

Result<std::optional<repo::BlobId>> directory_at(const repo::Repository& repository,
                                                 const repo::StoredSnapshot& snapshot,
                                                 const std::string& path) {
  const auto node = TRY(find_node(repository, snapshot.snapshot.tree, path));
  if (!node.subtree) return fail(ErrorCode::refused, "/" + path + " is not a directory");
  return node.subtree;
}

}  // namespace

Result<DiffResult> diff_files(repo::Repository& repository, std::string_view before,
                              std::string_view after, const DifferenceVisitor& visit) {
  const auto one = parse_snapshot_place(before);
  const auto other = parse_snapshot_place(after);
  const auto one_snapshot = TRY(repository.find_snapshot(one.snapshot));
  const auto other_snapshot = TRY(repository.find_snapshot(other.snapshot));
  TRY(repository.load_index());
  const auto one_tree = TRY(directory_at(repository, one_snapshot, one.path));
  const auto other_tree = TRY(directory_at(repository, other_snapshot, other.path));
  DiffResult result;
  TreeDiff diff(repository, visit, result);
  TRY(diff.compare(one_tree, other_tree));
  return result;
}

}  // namespace holdfast::recover
