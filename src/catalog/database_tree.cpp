#include "catalog/database_tree.hpp"

#include "repo/tree.hpp"

namespace holdfast::catalog {

namespace {

constexpr std::uint32_t file_mode = 0600;
constexpr std::uint32_t directory_mode = 0x80000000U | 0700;  // Go's bit for a directory

repo::Node make_node(std::string name, repo::NodeType type, const repo::NodeTime& time) {
  repo::Node node;
  node.name = std::move(name);
  node.type = type;
  node.mode = type == repo::NodeType::dir ? directory_mode : file_mode;
  node.mtime = time;
  node.atime = time;
  node.ctime = time;
  return node;
}

}  // namespace

void DatabaseTree::add_file(std::string_view path, std::vector<repo::BlobId> content,
                            std::uint64_t bytes) {
  Directory* directory = &root_;
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/')) {
    directory = &directory->directories[std::string(path.substr(0, slash))];
    path.remove_prefix(slash + 1);
  }
  repo::Node node = make_node(std::string(path), repo::NodeType::file, time_);
  node.content = std::move(content);
  node.size = bytes;
  node.links = 1;
  directory->files[node.name] = std::move(node);
  ++file_count_;
  byte_count_ += bytes;
}

Result<void> DatabaseTree::add_text(repo::Writer& writer, std::string_view path, ByteView text) {
  std::vector<repo::BlobId> content;
  if (!text.empty()) {
    const auto saved = TRY(writer.save(repo::BlobType::data, text));
    content.push_back(saved.id);
  }
  add_file(path, std::move(content), text.size());
  return {};
}

Result<repo::BlobId> DatabaseTree::save(repo::Writer& writer) const {
  return save(writer, root_);
}

Result<repo::BlobId> DatabaseTree::save(repo::Writer& writer, const Directory& directory) const {
  std::map<std::string, repo::Node> nodes = directory.files;
  for (const auto& [name, below] : directory.directories) {
    repo::Node node = make_node(name, repo::NodeType::dir, time_);
    node.subtree = TRY(save(writer, below));
    nodes[name] = std::move(node);
  }
  repo::TreeEncoder encoder;
  for (const auto& [name, node] : nodes) {
    TRY(encoder.add(node));
  }
  const Bytes blob = encoder.finish();
  const auto saved = TRY(writer.save(repo::BlobType::tree, blob));
  return saved.id;
}

}  // namespace holdfast::catalog
