#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataset/files_metadata.hpp"
#include "dataset/files_restore.hpp"

namespace holdfast::dataset {
namespace {

// Zero runs shorter than a page are cheaper written than skipped.
constexpr std::size_t hole_bytes = 4096;

timespec to_timespec(const FileTime& time) {
  timespec spec{};
  spec.tv_sec = time.seconds;
  spec.tv_nsec = time.nanoseconds;
  return spec;
}

void warn(std::vector<std::string>& warnings, std::string_view what) {
  warnings.push_back(fmt::format("{}: {}", what, std::strerror(errno)));
}

// The calls of apply_metadata, on an open file or through the kernel's name of an O_PATH handle.
struct MetadataPlace {
  int fd = -1;
  std::string named;  // empty when fd is open for more than naming

  int set_owner(uid_t uid, gid_t gid) const {
    return ::fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  }
  int set_permissions(mode_t mode) const {
    return named.empty() ? ::fchmod(fd, mode) : ::chmod(named.c_str(), mode);
  }
  int set_times(const timespec* times) const {
    return named.empty() ? ::futimens(fd, times) : ::utimensat(AT_FDCWD, named.c_str(), times, 0);
  }
  int set_attribute(const FileAttribute& attribute) const {
    const auto* name = attribute.name.c_str();
    const auto& value = attribute.value;
    return named.empty() ? ::fsetxattr(fd, name, value.data(), value.size(), 0)
                         : ::setxattr(named.c_str(), name, value.data(), value.size(), 0);
  }
};

bool is_wanted(const FileEntry& entry, std::string_view name) {
  return std::any_of(entry.attributes.begin(), entry.attributes.end(),
                     [name](const FileAttribute& attribute) { return attribute.name == name; });
}

// Labels of security modules and trusted.* belong to the system that restores, not to us.
bool is_removable(std::string_view name) {
  return name.starts_with("user.") || name.starts_with("system.posix_acl_");
}

void remove_leftovers(int fd, const FileEntry& entry, std::vector<std::string>& warnings) {
  thread_local std::array<char, attribute_list_bytes_max> names;
  const auto got = ::flistxattr(fd, names.data(), names.size());
  if (got <= 0) return;
  const char* const end = names.data() + got;
  for (const char* name = names.data(); name < end; name += std::strlen(name) + 1) {
    if (is_wanted(entry, name) || !is_removable(name)) continue;
    if (::fremovexattr(fd, name) != 0) warn(warnings, name);
  }
}

void apply(const MetadataPlace& place, const FileEntry& entry, std::vector<std::string>& warnings) {
  if (place.set_owner(entry.uid, entry.gid) != 0)
    warn(warnings, fmt::format("owner {}:{}", entry.uid, entry.gid));
  for (const auto& attribute : entry.attributes)
    if (place.set_attribute(attribute) != 0)
      warn(warnings, fmt::format("attribute {}", attribute.name));
  if (entry.kind != FileKind::symlink && place.set_permissions(entry.permissions) != 0)
    warn(warnings, fmt::format("permissions {:o}", entry.permissions));
  const std::array<timespec, 2> times{to_timespec(entry.atime), to_timespec(entry.mtime)};
  if (place.set_times(times.data()) != 0) warn(warnings, "times");
}

bool is_zero(ByteView bytes) {
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

void apply_metadata(int fd, const FileEntry& entry, Leftovers leftovers,
                    std::vector<std::string>& warnings) {
  if (leftovers == Leftovers::remove) remove_leftovers(fd, entry, warnings);
  apply({fd, {}}, entry, warnings);
}

Result<void> apply_metadata_at(const TargetPlace& place, const FileEntry& entry,
                               std::vector<std::string>& warnings) {
  const Fd fd(
      ::openat(place.directory->get(), place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) return fail_errno("open " + place.name, errno);
  apply({fd.get(), fmt::format("/proc/self/fd/{}", fd.get())}, entry, warnings);
  return {};
}

Result<void> write_sparsely(int fd, ByteView bytes, std::uint64_t offset) {
  std::size_t begin = 0;  // of what is still to be written
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto into_page = static_cast<std::size_t>((offset + at) % hole_bytes);
    const auto length = std::min(bytes.size() - at, hole_bytes - into_page);
    if (length == hole_bytes && is_zero(bytes.subspan(at, length))) {
      TRY(write_all_at(fd, bytes.subspan(begin, at - begin), offset + begin));
      begin = at + length;
    }
    at += length;
  }
  return write_all_at(fd, bytes.subspan(begin), offset + begin);
}

}  // namespace holdfast::dataset
