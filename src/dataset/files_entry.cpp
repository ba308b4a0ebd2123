#include "dataset/files_entry.hpp"

#include <sys/stat.h>

namespace holdfast::dataset {
namespace {

constexpr std::uint32_t go_directory = 1U << 31;
constexpr std::uint32_t go_symlink = 1U << 27;
constexpr std::uint32_t go_device = 1U << 26;
constexpr std::uint32_t go_named_pipe = 1U << 25;
constexpr std::uint32_t go_socket = 1U << 24;
constexpr std::uint32_t go_setuid = 1U << 23;
constexpr std::uint32_t go_setgid = 1U << 22;
constexpr std::uint32_t go_char_device = 1U << 21;
constexpr std::uint32_t go_sticky = 1U << 20;

std::uint32_t go_kind_bits(FileKind kind) {
  switch (kind) {
    case FileKind::file:
      return 0;
    case FileKind::directory:
      return go_directory;
    case FileKind::symlink:
      return go_symlink;
    case FileKind::block_device:
      return go_device;
    case FileKind::char_device:
      return go_device | go_char_device;
    case FileKind::fifo:
      return go_named_pipe;
    case FileKind::socket:
      return go_socket;
  }
  return 0;
}

}  // namespace

std::uint32_t go_mode_of(FileKind kind, std::uint32_t permissions) {
  std::uint32_t mode = (permissions & 0777U) | go_kind_bits(kind);
  if ((permissions & S_ISUID) != 0) mode |= go_setuid;
  if ((permissions & S_ISGID) != 0) mode |= go_setgid;
  if ((permissions & S_ISVTX) != 0) mode |= go_sticky;
  return mode;
}

std::uint32_t permissions_of_go_mode(std::uint32_t go_mode) {
  std::uint32_t permissions = go_mode & 0777U;
  if ((go_mode & go_setuid) != 0) permissions |= S_ISUID;
  if ((go_mode & go_setgid) != 0) permissions |= S_ISGID;
  if ((go_mode & go_sticky) != 0) permissions |= S_ISVTX;
  return permissions;
}

}  // namespace holdfast::dataset
