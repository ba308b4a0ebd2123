#include "recover/snapshot_walk.hpp"

#include <fmt/format.h>

#include "repo/names.hpp"

namespace holdfast::recover {
namespace {

class TreeWalker {
 public:
  TreeWalker(const repo::Repository& repository, SnapshotVisitor& visitor)
      : repository_(repository), visitor_(visitor) {}

  Result<void> walk(const repo::BlobId& tree) {
    TRY(repository_.context().check_stop());
    const auto blob = repository_.load_blob({repo::BlobType::tree, tree});
    if (!blob.has_value()) return visitor_.broken({path_, depth_}, blob.error());
    repo::TreeReader reader(*blob);
    repo::Node node;
    std::string last_name;
    while (true) {
      const auto more = reader.next(node);
      if (!more.has_value()) return visitor_.broken({path_, depth_}, more.error());
      if (!*more) return {};
      TRY(walk_node(node, last_name));
      last_name = node.name;
    }
  }

 private:
  Result<void> walk_node(const repo::Node& node, std::string_view last_name) {
    const auto flaw = repo::name_flaw(node.name);
    if (flaw != repo::NameFlaw::none)
      return broken_name(fmt::format("the name \"{}\" is refused: {}", repo::quote_name(node.name),
                                     repo::describe(flaw)));
    if (!last_name.empty() && node.name == last_name)
      return broken_name(
          fmt::format("the name \"{}\" is there twice", repo::quote_name(node.name)));
    const auto path_bytes = path_.size();
    if (!path_.empty()) path_ += '/';
    path_ += node.name;
    ++depth_;
    auto result = visit(node);
    --depth_;
    path_.resize(path_bytes);
    return result;
  }

  Result<void> broken_name(std::string message) {
    return visitor_.broken({path_, depth_}, Error{ErrorCode::refused, std::move(message), {}, {}});
  }

  Result<void> visit(const repo::Node& node) {
    if (node.type != repo::NodeType::dir) return visitor_.entry({path_, depth_}, node);
    if (!node.subtree || depth_ > tree_depth_max)
      return visitor_.broken({path_, depth_}, Error{ErrorCode::corrupt,
                                                    node.subtree ? "the tree is too deep"
                                                                 : "the directory has no tree",
                                                    {},
                                                    {}});
    const auto descend = TRY(visitor_.enter({path_, depth_}, node));
    if (descend == SnapshotVisitor::Descend::no) return {};
    TRY(walk(*node.subtree));
    return visitor_.leave({path_, depth_}, node);
  }

  const repo::Repository& repository_;
  SnapshotVisitor& visitor_;
  std::string path_;
  std::size_t depth_ = 0;
};

}  // namespace

Result<void> walk_snapshot_tree(const repo::Repository& repository, const repo::BlobId& tree,
                                SnapshotVisitor& visitor) {
  return TreeWalker(repository, visitor).walk(tree);
}

SnapshotPlace parse_snapshot_place(std::string_view text) {
  const auto colon = text.find(':');
  SnapshotPlace place{std::string(text.substr(0, colon)), {}};
  if (colon == std::string_view::npos) return place;
  for (auto rest = text.substr(colon + 1); !rest.empty();) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    if (!part.empty() && part != ".") place.path.append(place.path.empty() ? "" : "/").append(part);
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return place;
}

Result<repo::Node> find_node(const repo::Repository& repository, const repo::BlobId& tree,
                             std::string_view path) {
  repo::Node node;
  node.type = repo::NodeType::dir;
  node.subtree = tree;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const auto slash = std::min(path.find('/', begin), path.size());
    const auto name = path.substr(begin, slash - begin);
    const auto missing = [&]() {
      return fail(ErrorCode::not_found,
                  fmt::format("{} is not in the snapshot", path.substr(0, slash)));
    };
    if (!node.subtree) return missing();
    const auto blob = TRY(repository.load_blob({repo::BlobType::tree, *node.subtree}));
    repo::TreeReader reader(blob);
    bool found = false;
    while (!found) {
      const bool more = TRY(reader.next(node));
      if (!more) return missing();
      found = node.name == name;
    }
    begin = slash + 1;
  }
  return node;
}

}  // namespace holdfast::recover
