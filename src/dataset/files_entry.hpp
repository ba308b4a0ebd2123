#pragma once
// One entry of a file system as we found it, or as we are to make it: stat facts, raw names,
// extended attributes. Neutral: backup/ turns it into a tree's node, recover/ back again.
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace holdfast::dataset {

enum class FileKind : std::uint8_t {
  file,
  directory,
  symlink,
  block_device,
  char_device,
  fifo,
  socket
};

struct FileTime {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  friend bool operator==(const FileTime&, const FileTime&) = default;
};

struct FileAttribute {
  std::string name;  // "user.comment", "system.posix_acl_access"
  Bytes value;
  friend bool operator==(const FileAttribute&, const FileAttribute&) = default;
};

// Plain value. `name` is one path component and `link_target` a path, both raw bytes.
struct FileEntry {
  std::string name;
  FileKind kind = FileKind::file;
  std::uint32_t permissions = 0;  // st_mode & 07777
  FileTime mtime, atime, ctime;
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t inode = 0, device_id = 0, size = 0, links = 0;
  std::uint64_t device = 0;  // st_rdev of a device
  std::string link_target;
  std::vector<FileAttribute> attributes;  // in the order of llistxattr
};

// True when content and attributes can not have changed between two looks.
inline bool same_facts(const FileEntry& one, const FileEntry& other) {
  return one.kind == other.kind && one.inode == other.inode && one.device_id == other.device_id &&
         one.size == other.size && one.mtime == other.mtime && one.ctime == other.ctime;
}

// Go's layout of mode bits, which trees store (docs/repository_format.md A9 "mode").
std::uint32_t go_mode_of(FileKind kind, std::uint32_t permissions);
// The twelve permission bits back; the kind comes from the node's type, not from here.
std::uint32_t permissions_of_go_mode(std::uint32_t go_mode);

}  // namespace holdfast::dataset
