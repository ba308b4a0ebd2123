#include "recover/restored_entry.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "repo/blob_reader.hpp"
#include "repo/node_time.hpp"
#include "repo/sha256.hpp"

namespace holdfast::recover {
namespace {

dataset::FileKind kind_of(repo::NodeType type) {
  using dataset::FileKind;
  switch (type) {
    case repo::NodeType::dir:
      return FileKind::directory;
    case repo::NodeType::symlink:
      return FileKind::symlink;
    case repo::NodeType::dev:
      return FileKind::block_device;
    case repo::NodeType::chardev:
      return FileKind::char_device;
    case repo::NodeType::fifo:
      return FileKind::fifo;
    case repo::NodeType::socket:
      return FileKind::socket;
    case repo::NodeType::file:
    case repo::NodeType::irregular:
      break;
  }
  return FileKind::file;
}

dataset::FileTime to_file_time(const repo::NodeTime& time) {
  if (time == repo::unknown_time) return {0, UTIME_OMIT};
  return {time.seconds, time.nanoseconds};
}

// A directory always has its type bit, so 0 means that the writer left the mode out.
constexpr std::uint32_t directory_permissions_default = 0755;

}  // namespace

dataset::FileEntry to_entry(const repo::Node& node) {
  dataset::FileEntry entry;
  entry.kind = kind_of(node.type);
  entry.permissions = dataset::permissions_of_go_mode(node.mode);
  if (node.mode == 0 && node.type == repo::NodeType::dir)
    entry.permissions = directory_permissions_default;
  entry.mtime = to_file_time(node.mtime);
  entry.atime = to_file_time(node.atime);
  entry.uid = node.uid;
  entry.gid = node.gid;
  entry.inode = node.inode;
  entry.device_id = node.device_id;
  entry.size = node.size;
  entry.links = node.links;
  entry.device = node.device;
  entry.link_target = node.link_target;
  for (const auto& attribute : node.extended_attributes)
    entry.attributes.push_back({attribute.name, attribute.value});
  return entry;
}

std::uint64_t hash_of_content(const std::vector<repo::BlobId>& content) {
  constexpr std::uint64_t prime = 0x9e3779b97f4a7c15;
  std::uint64_t hash = content.size();
  for (const auto& id : content) hash = (hash ^ load_le<std::uint64_t>(id.bytes.data())) * prime;
  return hash;
}

Result<std::vector<repo::IndexedBlob>> locate_content(const repo::Index& index,
                                                      const std::vector<repo::BlobId>& content) {
  std::vector<repo::IndexedBlob> blobs;
  blobs.reserve(content.size());
  for (const auto& id : content) {
    const repo::BlobHandle handle{repo::BlobType::data, id};
    if (const auto live = index.find_live(handle)) {
      blobs.push_back(live->blob);
      continue;
    }
    const auto marked = index.find_all(handle);
    if (marked.empty())
      return fail(ErrorCode::not_found, fmt::format("data blob {} is in no index", id.short_hex()));
    blobs.push_back(marked.front());
  }
  return blobs;
}

std::uint64_t plain_bytes_of(const std::vector<repo::IndexedBlob>& blobs) {
  std::uint64_t bytes = 0;
  for (const auto& blob : blobs) bytes += blob.plain_bytes();
  return bytes;
}

Result<std::vector<bool>> compare_content(int fd, const std::vector<repo::IndexedBlob>& blobs) {
  thread_local Bytes piece;
  std::vector<bool> equal(blobs.size(), false);
  std::uint64_t offset = 0;
  for (std::size_t number = 0; number < blobs.size(); ++number) {
    const auto length = blobs[number].plain_bytes();
    if (length > repo::blob_plain_bytes_max)
      return fail(ErrorCode::limit_exceeded, fmt::format("a blob of {} bytes", length));
    if (piece.size() < length) piece.resize(length);
    const auto room = MutableByteView(piece).first(length);
    const auto got = TRY(read_up_to_at(fd, room, offset));
    equal[number] = got == length && repo::sha256(room) == blobs[number].handle.id.bytes;
    if (got < length) break;
    offset += length;
  }
  return equal;
}

}  // namespace holdfast::recover
