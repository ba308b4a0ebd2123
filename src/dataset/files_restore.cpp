#include "dataset/files_restore.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "dataset/files_metadata.hpp"

namespace holdfast::dataset {
namespace {

// openat2 answers EAGAIN when a rename races with it; more than this many is somebody's attack.
constexpr int resolve_attempts_max = 16;
constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

Fd open_beneath(int root, const std::string& relative) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < resolve_attempts_max; ++attempt) {
    const auto fd = ::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return Fd();
}

// For kernels and sandboxes without openat2: the same promise, one name at a time.
Fd open_name_by_name(int root, std::string_view relative) {
  Fd at(::openat(root, ".", directory_flags));
  while (at.is_open() && !relative.empty()) {
    const auto slash = relative.find('/');
    const std::string name(relative.substr(0, slash));
    at = Fd(::openat(at.get(), name.c_str(), directory_flags));
    if (slash == std::string_view::npos) break;
    relative.remove_prefix(slash + 1);
  }
  return at;
}

Result<void> check_names(std::string_view relative) {
  while (!relative.empty()) {
    const auto slash = relative.find('/');
    if (!is_safe_name(relative.substr(0, slash)))
      return fail(ErrorCode::refused, fmt::format("\"{}\" is not a safe path", relative));
    if (slash == std::string_view::npos) break;
    relative.remove_prefix(slash + 1);
  }
  return {};
}

Result<void> rename_without_replacing(int directory, const char* from, const char* to) {
  if (::renameat2(directory, from, directory, to, RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return fail_errno(std::string("make ") + to, errno);
  // File systems without that flag: a hard link does not replace either.
  if (::linkat(directory, from, directory, to, 0) != 0)
    return fail_errno(std::string("make ") + to, errno);
  ::unlinkat(directory, from, 0);
  return {};
}

}  // namespace

bool is_safe_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

RestoreDirectory::RestoreDirectory(Fd root, std::string path)
    : path_(std::move(path)), root_(std::make_shared<const Fd>(std::move(root))) {
  has_default_acl_ = ::fgetxattr(root_->get(), "system.posix_acl_default", nullptr, 0) > 0;
  struct stat status{};
  if (::fstat(root_->get(), &status) == 0) device_id_ = status.st_dev;
}

Result<std::unique_ptr<RestoreDirectory>> RestoreDirectory::open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail_errno("create " + path, error.value());
  Fd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) return fail_errno("open " + path, errno);
  return std::make_unique<RestoreDirectory>(std::move(root), path);
}

Result<TargetHandle> RestoreDirectory::directory(const std::string& relative) {
  if (relative.empty()) return root_;
  MutexLock lock(mutex_);
  const auto cached = cache_.find(relative);
  if (cached != cache_.end()) return cached->second;
  TRY(check_names(relative));
  Fd fd = open_beneath(root_->get(), relative);
  if (!fd.is_open() && (errno == ENOSYS || errno == EPERM))
    fd = open_name_by_name(root_->get(), relative);
  if (!fd.is_open()) {
    if (errno == ELOOP || errno == EXDEV || errno == ENOTDIR)
      return fail(ErrorCode::refused,
                  fmt::format("{} is not a directory below {}", relative, path_));
    return fail_errno("open " + relative, errno);
  }
  // Handles in use outlive the cache, so forgetting all of them at once is safe, and rare.
  if (cache_.size() >= open_targets_max) cache_.clear();
  auto handle = std::make_shared<const Fd>(std::move(fd));
  cache_.emplace(relative, handle);
  return handle;
}

Result<TargetPlace> RestoreDirectory::place(const std::string& relative) {
  const auto slash = relative.rfind('/');
  TargetPlace place;
  place.name = slash == std::string::npos ? relative : relative.substr(slash + 1);
  if (!is_safe_name(place.name))
    return fail(ErrorCode::refused, fmt::format("\"{}\" is not a safe path", relative));
  place.directory = TRY(directory(slash == std::string::npos ? "" : relative.substr(0, slash)));
  return place;
}

Result<std::optional<FileEntry>> look_at(const TargetPlace& place) {
  FileEntry entry;
  entry.name = place.name;
  const auto read = read_facts(place.directory->get(), place.name, entry);
  if (!read.has_value()) {
    if (read.error().code == ErrorCode::not_found) return std::optional<FileEntry>();
    return fail(read.error());
  }
  if (entry.kind == FileKind::symlink) {
    std::vector<std::string> warnings;
    TRY(read_details(place.directory->get(), place.name, entry, warnings));
    entry.attributes.clear();
  }
  return std::optional<FileEntry>(std::move(entry));
}

Result<Made> make_directory(const TargetPlace& place) {
  const int parent = place.directory->get();
  if (::mkdirat(parent, place.name.c_str(), 0700) == 0) return Made::created;
  if (errno != EEXIST) return fail_errno("make directory " + place.name, errno);
  struct stat status{};
  if (::fstatat(parent, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno("stat " + place.name, errno);
  if (!S_ISDIR(status.st_mode))
    return fail(ErrorCode::exists, fmt::format("{} exists and is not a directory", place.name));
  if ((status.st_mode & 0700U) != 0700U && status.st_uid == ::geteuid()) {
    const Fd fd(::openat(parent, place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    const auto named = fmt::format("/proc/self/fd/{}", fd.get());
    if (fd.is_open()) ::chmod(named.c_str(), (status.st_mode & 07777U) | 0700U);
  }
  return Made::existed;
}

Result<PartialFile> open_partial(const TargetPlace& place, std::uint64_t content_hash) {
  PartialFile partial;
  const auto name_hash = std::hash<std::string>()(place.name);
  partial.temporary_name =
      fmt::format(".holdfast-{:016x}.part", content_hash ^ (name_hash * 0x9e3779b97f4a7c15U));
  const int directory = place.directory->get();
  const char* name = partial.temporary_name.c_str();
  constexpr int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  partial.fd = Fd(::openat(directory, name, flags | O_EXCL, 0600));
  if (partial.fd.is_open()) return partial;
  if (errno != EEXIST) return fail_errno("create " + place.name, errno);
  partial.fd = Fd(::openat(directory, name, flags & ~O_CREAT));
  struct stat status{};
  const bool ours = partial.fd.is_open() && ::fstat(partial.fd.get(), &status) == 0 &&
                    S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == ::geteuid();
  if (ours) {
    partial.kept_bytes = static_cast<std::uint64_t>(status.st_size);
    return partial;
  }
  ::unlinkat(directory, name, 0);
  partial.fd = Fd(::openat(directory, name, flags | O_EXCL, 0600));
  if (!partial.fd.is_open()) return fail_errno("create " + place.name, errno);
  return partial;
}

Result<Fd> open_existing_file(const TargetPlace& place) {
  Fd fd(::openat(place.directory->get(), place.name.c_str(),
                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.is_open()) return fail_errno("open " + place.name, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno("stat " + place.name, errno);
  if (!S_ISREG(status.st_mode))
    return fail(ErrorCode::refused, fmt::format("{} is not a regular file", place.name));
  return fd;
}

Result<void> publish_entry(const TargetPlace& place, const std::string& temporary_name,
                           Replace replace) {
  const int directory = place.directory->get();
  if (replace == Replace::no)
    return rename_without_replacing(directory, temporary_name.c_str(), place.name.c_str());
  if (::renameat(directory, temporary_name.c_str(), directory, place.name.c_str()) != 0)
    return fail_errno("replace " + place.name, errno);
  return {};
}

void discard_partial(const TargetPlace& place, const std::string& temporary_name) {
  ::unlinkat(place.directory->get(), temporary_name.c_str(), 0);
}

namespace {

Result<void> make_unnamed(int directory, const char* name, const FileEntry& entry) {
  int status = 0;
  switch (entry.kind) {
    case FileKind::symlink:
      status = ::symlinkat(entry.link_target.c_str(), directory, name);
      break;
    case FileKind::fifo:
      status = ::mknodat(directory, name, S_IFIFO | 0600, 0);
      break;
    case FileKind::block_device:
      status = ::mknodat(directory, name, S_IFBLK | 0600, entry.device);
      break;
    case FileKind::char_device:
      status = ::mknodat(directory, name, S_IFCHR | 0600, entry.device);
      break;
    default:
      return fail(ErrorCode::unsupported, "this kind of entry can not be restored");
  }
  if (status == 0) return {};
  if (errno == EPERM) return fail(ErrorCode::refused, "making a device is not permitted");
  return fail_errno(fmt::format("make {}", entry.name), errno);
}

}  // namespace

Result<std::string> make_special(const TargetPlace& place, const FileEntry& entry,
                                 std::vector<std::string>& warnings) {
  const int directory = place.directory->get();
  auto name = fmt::format(".holdfast-{:016x}.part", std::hash<std::string>()(place.name));
  auto made = make_unnamed(directory, name.c_str(), entry);
  if (!made.has_value() && made.error().code == ErrorCode::exists) {
    ::unlinkat(directory, name.c_str(), 0);
    made = make_unnamed(directory, name.c_str(), entry);
  }
  TRY(std::move(made));
  TRY(apply_metadata_at({place.directory, name}, entry, warnings));
  return name;
}

Result<void> make_hard_link(const TargetPlace& existing, const TargetPlace& place,
                            Replace replace) {
  const auto link_to = [&](const std::string& name) {
    return ::linkat(existing.directory->get(), existing.name.c_str(), place.directory->get(),
                    name.c_str(), 0);
  };
  if (replace == Replace::no) {
    if (link_to(place.name) != 0) return fail_errno("link " + place.name, errno);
    return {};
  }
  const auto name = fmt::format(".holdfast-{:016x}.link", std::hash<std::string>()(place.name));
  ::unlinkat(place.directory->get(), name.c_str(), 0);
  if (link_to(name) != 0) return fail_errno("link " + place.name, errno);
  TRY(publish_entry(place, name, Replace::yes));
  // Renaming one name of a file over another name of it does nothing at all.
  ::unlinkat(place.directory->get(), name.c_str(), 0);
  return {};
}

}  // namespace holdfast::dataset
