#include "repo/snapshot_files.hpp"

#include <fmt/format.h>

namespace holdfast::repo {

Result<const std::vector<Node>*> SnapshotFiles::tree(const BlobId& id) {
  const auto known = trees_.find(id);
  if (known != trees_.end()) return &known->second;
  auto nodes = TRY(repository_->load_tree(id));
  return &trees_.emplace(id, std::move(nodes)).first->second;
}

Result<std::optional<Node>> SnapshotFiles::find(std::string_view path) {
  BlobId directory = root_;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    const auto* nodes = TRY(tree(directory));
    const auto found = std::find_if(nodes->begin(), nodes->end(),
                                    [&](const Node& node) { return node.name == name; });
    if (found == nodes->end()) return std::optional<Node>();
    if (slash == std::string_view::npos) return std::optional<Node>(*found);
    if (!found->subtree) return std::optional<Node>();
    directory = *found->subtree;
    path.remove_prefix(slash + 1);
  }
}

Result<Bytes> SnapshotFiles::read(std::string_view path, std::size_t bytes_max) {
  const auto node = TRY(find(path));
  if (!node || node->type != NodeType::file)
    return fail(ErrorCode::not_found, fmt::format("{} is not in the snapshot", path));
  Bytes whole;
  BlobReader reader(*repository_);
  for (const BlobId& id : node->content) {
    const ByteView part =
        TRY(reader.load({BlobType::data, id}).while_doing(fmt::format("reading {}", path)));
    if (part.size() > bytes_max - whole.size())
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("{} is larger than {} bytes", path, bytes_max));
    append(whole, part);
  }
  return whole;
}

}  // namespace holdfast::repo
