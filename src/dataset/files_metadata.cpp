#include "dataset/files_metadata.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace holdfast::dataset {

const int current_directory = AT_FDCWD;

namespace {

using GroupRecord = ::group;  // OwnerNames::group hides the name

FileKind kind_of(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileKind::directory;
    case S_IFLNK:
      return FileKind::symlink;
    case S_IFBLK:
      return FileKind::block_device;
    case S_IFCHR:
      return FileKind::char_device;
    case S_IFIFO:
      return FileKind::fifo;
    case S_IFSOCK:
      return FileKind::socket;
    default:
      return FileKind::file;
  }
}

FileTime time_of(const statx_timestamp& stamp) {
  return {stamp.tv_sec, stamp.tv_nsec};
}

void fill(FileEntry& entry, const struct statx& status) {
  entry.kind = kind_of(status.stx_mode);
  entry.permissions = status.stx_mode & 07777U;
  entry.mtime = time_of(status.stx_mtime);
  entry.atime = time_of(status.stx_atime);
  entry.ctime = time_of(status.stx_ctime);
  entry.uid = status.stx_uid;
  entry.gid = status.stx_gid;
  entry.inode = status.stx_ino;
  entry.device_id = makedev(status.stx_dev_major, status.stx_dev_minor);
  entry.size = status.stx_size;
  entry.links = status.stx_nlink;
  entry.device = makedev(status.stx_rdev_major, status.stx_rdev_minor);
}

// Where attributes are read from: an open file, or a path whose last component is not followed.
struct AttributePlace {
  int fd = -1;
  std::string path;

  ssize_t list(char* out, std::size_t size) const {
    return fd >= 0 ? ::flistxattr(fd, out, size) : ::llistxattr(path.c_str(), out, size);
  }
  ssize_t get(const char* name, void* out, std::size_t size) const {
    return fd >= 0 ? ::fgetxattr(fd, name, out, size) : ::lgetxattr(path.c_str(), name, out, size);
  }
};

// There is no lgetxattrat: the kernel's name of an open directory serves as the beginning of a
// path, so that a parent renamed or replaced meanwhile can not lead us elsewhere.
AttributePlace place_below(int directory, const std::string& name) {
  if (directory == AT_FDCWD) return {-1, name};
  return {-1, fmt::format("/proc/self/fd/{}/{}", directory, name)};
}

bool means_none(int error_number) {
  return error_number == ENOTSUP || error_number == ENODATA || error_number == ENOENT;
}

void read_one(const AttributePlace& place, const char* name, FileEntry& entry,
              std::vector<std::string>& warnings) {
  thread_local std::array<std::uint8_t, attribute_bytes_max> buffer;
  const auto got = place.get(name, buffer.data(), buffer.size());
  if (got < 0) {
    if (!means_none(errno))
      warnings.push_back(fmt::format("attribute {}: {}", name, std::strerror(errno)));
    return;
  }
  const auto value = ByteView(buffer).first(static_cast<std::size_t>(got));
  entry.attributes.push_back({name, to_bytes(value)});
}

void read_attributes(const AttributePlace& place, FileEntry& entry,
                     std::vector<std::string>& warnings) {
  thread_local std::array<char, attribute_list_bytes_max> names;
  entry.attributes.clear();
  const auto got = place.list(names.data(), names.size());
  if (got < 0) {
    if (!means_none(errno))
      warnings.push_back(fmt::format("extended attributes: {}", std::strerror(errno)));
    return;
  }
  const char* const end = names.data() + got;
  for (const char* name = names.data(); name < end; name += std::strlen(name) + 1)
    read_one(place, name, entry, warnings);
}

Result<void> read_link(int directory, const std::string& name, FileEntry& entry) {
  std::array<char, PATH_MAX + 1> buffer;
  const auto got = ::readlinkat(directory, name.c_str(), buffer.data(), buffer.size());
  if (got < 0) return fail_errno("read link", errno);
  entry.link_target.assign(buffer.data(), static_cast<std::size_t>(got));
  return {};
}

// Files with thousands of entries under one name exist; the limit only keeps a broken directory
// service from eating memory.
constexpr std::size_t name_record_bytes_max = 1 << 20;

template <class Record, class Lookup>
std::string look_up(Lookup&& lookup, char* Record::* field) {
  std::vector<char> buffer(1024);
  while (true) {
    Record record{};
    Record* found = nullptr;
    const int status = lookup(&record, buffer.data(), buffer.size(), &found);
    if (status == ERANGE && buffer.size() < name_record_bytes_max) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    if (status != 0 || found == nullptr) return {};
    return found->*field;
  }
}

}  // namespace

Result<void> read_facts(int directory, const std::string& name, FileEntry& entry,
                        LinkPolicy links) {
  struct statx status{};
  const int flags = AT_NO_AUTOMOUNT | (links == LinkPolicy::keep ? AT_SYMLINK_NOFOLLOW : 0);
  if (::statx(directory, name.c_str(), flags, STATX_BASIC_STATS, &status) != 0)
    return fail_errno("stat", errno);
  fill(entry, status);
  return {};
}

Result<void> read_facts_of(int fd, FileEntry& entry) {
  struct statx status{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status) != 0)
    return fail_errno("stat", errno);
  fill(entry, status);
  return {};
}

Result<void> read_details(int directory, const std::string& name, FileEntry& entry,
                          std::vector<std::string>& warnings) {
  entry.link_target.clear();
  if (entry.kind == FileKind::symlink) TRY(read_link(directory, name, entry));
  read_attributes(place_below(directory, name), entry, warnings);
  return {};
}

void read_attributes_of(int fd, FileEntry& entry, std::vector<std::string>& warnings) {
  read_attributes({fd, {}}, entry, warnings);
}

const std::string& OwnerNames::user(std::uint32_t uid) {
  const auto [at, is_new] = users_.try_emplace(uid);
  if (is_new)
    at->second = look_up<passwd>([uid](auto... rest) { return ::getpwuid_r(uid, rest...); },
                                 &passwd::pw_name);
  return at->second;
}

const std::string& OwnerNames::group(std::uint32_t gid) {
  const auto [at, is_new] = groups_.try_emplace(gid);
  if (is_new)
    at->second = look_up<GroupRecord>([gid](auto... rest) { return ::getgrgid_r(gid, rest...); },
                                      &GroupRecord::gr_name);
  return at->second;
}

}  // namespace holdfast::dataset
