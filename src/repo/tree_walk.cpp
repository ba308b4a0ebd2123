#include "repo/tree_walk.hpp"

#include "repo/blob_reader.hpp"
#include "repo/tree.hpp"

namespace holdfast::repo {
namespace {

class Walk {
 public:
  Walk(const Repository& repository, PositionSet& seen, TreeVisitor& visitor)
      : repository_(repository), seen_(seen), visitor_(visitor), reader_(repository) {}

  Result<void> from(const BlobId& root) {
    TRY(add(root));
    while (!waiting_.empty()) {
      TRY(repository_.context().check_stop());
      const BlobId tree = waiting_.back();
      waiting_.pop_back();
      TRY(read(tree));
    }
    return {};
  }

 private:
  Result<void> add(const BlobId& tree) {
    const auto copies = repository_.index().positions_of({BlobType::tree, tree});
    if (copies.count == 0)
      return visitor_.unreadable(
          tree, fail(ErrorCode::not_found, "tree " + tree.short_hex() + " is in no index").value());
    if (seen_.insert(copies.first)) waiting_.push_back(tree);
    return {};
  }

  Result<void> read(const BlobId& tree) {
    const auto plain = reader_.load({BlobType::tree, tree});
    if (!plain.has_value()) return report(tree, plain.error());
    TreeReader nodes(*plain);
    std::string previous_name;
    while (true) {
      const auto more = nodes.next(node_);
      if (!more.has_value()) return report(tree, more.error());
      if (!*more) return {};
      TRY(visitor_.node(tree, node_, previous_name));
      if (node_.subtree) TRY(add(*node_.subtree));
      previous_name = node_.name;
    }
  }

  Result<void> report(const BlobId& tree, const Error& error) {
    if (!is_damage(error.code)) return fail(error);
    return visitor_.unreadable(tree, error);
  }

  const Repository& repository_;
  PositionSet& seen_;
  TreeVisitor& visitor_;
  BlobReader reader_;
  std::vector<BlobId> waiting_;
  Node node_;
};

}  // namespace

bool is_damage(ErrorCode code) {
  switch (code) {
    case ErrorCode::corrupt:
    case ErrorCode::malformed:
    case ErrorCode::not_found:
    case ErrorCode::limit_exceeded:
    case ErrorCode::unsupported:
    case ErrorCode::io:
      return true;
    default:
      return false;
  }
}

Result<void> walk_trees(const Repository& repository, std::span<const BlobId> roots,
                        PositionSet& seen, TreeVisitor& visitor) {
  Walk walk(repository, seen, visitor);
  for (const auto& root : roots) TRY(walk.from(root));
  return {};
}

}  // namespace holdfast::repo
