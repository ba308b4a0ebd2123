#pragma once
// One entry of a tree: a file, directory, link or device with everything needed to make it again.
// Field meanings and order: docs/repository_format.md A9.
#include <optional>
#include <string>
#include <vector>

#include "repo/ids.hpp"

namespace holdfast::repo {

enum class NodeType : std::uint8_t { file, dir, symlink, dev, chardev, fifo, socket, irregular };

struct NodeTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  // Offset east of UTC that the text carries, so that a tree is re-encoded byte for byte.
  std::int32_t offset_seconds = 0;
  friend bool operator==(const NodeTime&, const NodeTime&) = default;
};

struct ExtendedAttribute {
  std::string name;
  Bytes value;
  friend bool operator==(const ExtendedAttribute&, const ExtendedAttribute&) = default;
};

// Plain value. `name` and `link_target` are raw bytes as the file system has them (unquoted).
struct Node {
  std::string name;
  NodeType type = NodeType::file;
  std::uint32_t mode = 0;  // Go's layout of mode bits, see A9
  NodeTime mtime, atime, ctime;
  std::uint32_t uid = 0, gid = 0;
  std::string user, group;
  std::uint64_t inode = 0, device_id = 0, size = 0, links = 0;
  std::string link_target;
  std::vector<ExtendedAttribute> extended_attributes;
  std::string generic_attributes;  // raw JSON object, empty when absent
  std::uint64_t device = 0;
  std::vector<BlobId> content;  // files only
  bool has_content = true;      // false when a file's content was null (an error for a file)
  std::optional<BlobId> subtree;
  std::string error;
  friend bool operator==(const Node&, const Node&) = default;
};

}  // namespace holdfast::repo
