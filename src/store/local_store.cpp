#include "store/local_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/rng.hpp"
#include "store/object_name.hpp"

namespace holdfast::store {
namespace {

constexpr int temporary_name_attempts_max = 4;

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, DirectoryCloser>;

WallTime modified_of(const struct stat& status) {
  return WallTime(std::chrono::seconds(status.st_mtim.tv_sec) +
                  std::chrono::nanoseconds(status.st_mtim.tv_nsec));
}

// Renaming gives a new inode, and a conditional put moves mtime forward: never the same twice.
std::string version_of(const struct stat& status) {
  return fmt::format("{:x}-{:x}.{:x}-{:x}", status.st_ino, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_size);
}

ObjectInfo describe_file(std::string name, const struct stat& status) {
  return {std::move(name), static_cast<std::uint64_t>(status.st_size), modified_of(status),
          version_of(status)};
}

bool is_out_of_reach(int error_number) {
  constexpr int numbers[] = {EACCES, EPERM,    EROFS,     ESTALE,   ENODEV,
                             ENXIO,  ENOTCONN, ETIMEDOUT, EHOSTDOWN};
  return std::find(std::begin(numbers), std::end(numbers), error_number) != std::end(numbers);
}

// Later than `old_status`, so that the version can not repeat within one tick of the file system.
void move_mtime_past(int directory, const std::string& file, const struct stat& old_status) {
  struct stat status{};
  if (::fstatat(directory, file.c_str(), &status, 0) != 0) return;
  if (modified_of(status) > modified_of(old_status)) return;
  struct timespec times[2] = {{0, UTIME_OMIT}, old_status.st_mtim};
  if (++times[1].tv_nsec == 1'000'000'000) times[1] = {old_status.st_mtim.tv_sec + 1, 0};
  ::utimensat(directory, file.c_str(), times, 0);
}

}  // namespace

Result<std::unique_ptr<LocalStore>> LocalStore::open(const std::filesystem::path& root) {
  Fd directory(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open())
    return fail(ErrorCode::store_unreachable,
                fmt::format("directory {}: {}", root.string(), std::strerror(errno)));
  return std::unique_ptr<LocalStore>(
      std::make_unique<LocalStore>(Private{}, root, std::move(directory)));
}

Result<std::unique_ptr<LocalStore>> LocalStore::create(const std::filesystem::path& root) {
  std::filesystem::path made;
  for (const auto& part : std::filesystem::absolute(root).lexically_normal()) {
    made /= part;
    if (::mkdir(made.c_str(), 0700) != 0 && errno != EEXIST && errno != EACCES && errno != EROFS)
      return fail_errno("make directory " + made.string(), errno);
  }
  return open(root);
}

LocalStore::LocalStore(Private, std::filesystem::path root, Fd directory)
    : root_(std::move(root)), directory_(std::move(directory)) {
  struct stat config{};
  if (::fstatat(directory_.get(), "config", &config, 0) == 0 && (config.st_mode & 0040) != 0) {
    file_mode_ |= 0040;
    directory_mode_ |= 0070;
  }
}

LocalStore::~LocalStore() {
  MutexLock lock(mutex_);
  for (const auto& [name, file] : unsynced_) discard(file.temporary);
}

std::string LocalStore::describe() const {
  return "directory " + root_.string();
}

bool LocalStore::root_is_gone() const {
  struct stat root{};
  return ::fstat(directory_.get(), &root) != 0 || root.st_nlink == 0;
}

tl::unexpected<Error> LocalStore::failure(std::string_view doing, std::string_view name,
                                          int error_number) const {
  const std::string what = fmt::format("{} {} in {}", doing, name, root_.string());
  const bool gone = root_is_gone();
  if (gone || is_out_of_reach(error_number))
    return fail(
        ErrorCode::store_unreachable,
        fmt::format("{}: {}", what, gone ? "the directory is gone" : std::strerror(error_number)));
  return fail_errno(what, error_number);
}

Result<Bytes> LocalStore::get(std::string_view name) {
  TRY(check_object_name(name));
  const std::string path(name);
  const Fd file(::openat(directory_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return failure("open", name, errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failure("stat", name, errno);
  if (!S_ISREG(status.st_mode)) return failure("open", name, ENOENT);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > object_bytes_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} in {} has {} bytes, the limit is {}", name, root_.string(), size,
                            object_bytes_max));
  Bytes bytes(size);
  const auto got = TRY(read_up_to(file.get(), bytes));
  bytes.resize(got);
  return bytes;
}

Result<Bytes> LocalStore::get_range(std::string_view name, std::uint64_t offset,
                                    std::uint64_t length) {
  TRY(check_object_name(name));
  const std::string path(name);
  const Fd file(::openat(directory_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return failure("open", name, errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failure("stat", name, errno);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (offset > size || length > size - offset)
    return fail(ErrorCode::corrupt, fmt::format("{} has {} bytes, {} from {} were asked for", name,
                                                size, length, offset));
  Bytes bytes(length);
  const auto got = TRY(read_up_to_at(file.get(), bytes, offset));
  if (got != length)
    return fail(ErrorCode::corrupt, fmt::format("{} became shorter while it was read", name));
  return bytes;
}

Result<ObjectInfo> LocalStore::stat(std::string_view name) {
  TRY(check_object_name(name));
  std::string path(name);
  struct stat status{};
  if (::fstatat(directory_.get(), path.c_str(), &status, 0) != 0)
    return failure("stat", name, errno);
  if (!S_ISREG(status.st_mode)) return failure("stat", name, ENOENT);
  return describe_file(std::move(path), status);
}

Result<void> LocalStore::list(std::string_view prefix, const Visitor& visit) {
  TRY(check_prefix(prefix));
  if (root_is_gone()) return failure("list", prefix, ENOENT);
  const auto slash = prefix.rfind('/');
  const std::string start(slash == std::string_view::npos ? "" : prefix.substr(0, slash));
  return walk(start, prefix, visit, 0);
}

Result<void> LocalStore::walk(const std::string& directory, std::string_view prefix,
                              const Visitor& visit, std::size_t depth) {
  const char* path = directory.empty() ? "." : directory.c_str();
  const int fd = ::openat(directory_.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    auto failed = failure("list", directory, errno);
    if (failed.value().code == ErrorCode::not_found) return {};
    return failed;
  }
  const DirectoryStream stream(::fdopendir(fd));
  if (!stream) return failure("list", directory, errno);
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return failure("list", directory, errno);
    if (entry == nullptr) break;
    std::string full = directory.empty() ? entry->d_name : directory + "/" + entry->d_name;
    if (!check_object_name(full).has_value() || !full.starts_with(prefix)) continue;
    TRY(visit_entry(std::move(full), prefix, visit, depth));
  }
  return {};
}

Result<void> LocalStore::visit_entry(std::string full, std::string_view prefix,
                                     const Visitor& visit, std::size_t depth) {
  struct stat status{};
  if (::fstatat(directory_.get(), full.c_str(), &status, 0) != 0) {
    if (errno == ENOENT) return {};  // removed meanwhile
    return failure("stat", full, errno);
  }
  if (S_ISDIR(status.st_mode) && depth + 1 < object_name_depth_max)
    return walk(full, prefix, visit, depth + 1);
  if (!S_ISREG(status.st_mode)) return {};
  if (is_temporary_name(full)) {
    SystemClock clock;
    if (clock.now() - modified_of(status) > temporary_age_max) discard(full);
    return {};
  }
  return visit(describe_file(std::move(full), status));
}

Result<void> LocalStore::put(std::string_view name, ByteView bytes, Durability durability,
                             const Condition& condition) {
  TRY(check_object_name(name));
  if (is_temporary_name(name))
    return fail(ErrorCode::refused, fmt::format("\"{}\" is a temporary name", name));
  auto file = TRY(write_temporary(name, bytes));
  if (durability == Durability::at_sync && condition.kind == Condition::Kind::none)
    return keep_until_sync(name, std::move(file));
  const std::string temporary = file.temporary;
  auto published = publish(name, std::move(file), condition);
  if (!published.has_value()) discard(temporary);
  return published;
}

Result<LocalStore::Unsynced> LocalStore::write_temporary(std::string_view name, ByteView bytes) {
  SystemRng rng;
  Unsynced file;
  bool parents_made = false;
  for (int attempt = 0; !file.file.is_open(); ++attempt) {
    file.temporary = fmt::format("{}{}{:016x}", name, temporary_mark, rng.next());
    file.file = Fd(::openat(directory_.get(), file.temporary.c_str(),
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.file.is_open()) break;
    const int cause = errno;
    if (cause == ENOENT && !parents_made) {
      TRY(make_parents(name));
      parents_made = true;
    } else if (cause != EEXIST || attempt >= temporary_name_attempts_max) {
      return failure("create", name, cause);
    }
  }
  auto filled = fill_temporary(file, bytes);
  if (!filled.has_value()) {
    discard(file.temporary);
    return fail(std::move(filled).while_doing(fmt::format("writing {}", name)).error());
  }
  return file;
}

Result<void> LocalStore::fill_temporary(Unsynced& file, ByteView bytes) {
  TRY(write_all(file.file.get(), bytes));
  // A file system without modes (FAT, some network ones) may refuse: the object is still good.
  static_cast<void>(::fchmod(file.file.get(), file_mode_));
  // Write-back starts now, so that the barrier finds little left to do. Only a hint.
  static_cast<void>(::sync_file_range(file.file.get(), 0, 0, SYNC_FILE_RANGE_WRITE));
  return {};
}

Result<void> LocalStore::make_parents(std::string_view name) {
  for (auto slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    const std::string directory(name.substr(0, slash));
    if (::mkdirat(directory_.get(), directory.c_str(), directory_mode_) == 0) {
      // The mask of the process may have taken group rights away.
      static_cast<void>(::fchmodat(directory_.get(), directory.c_str(), directory_mode_, 0));
      MutexLock lock(mutex_);
      changed_directories_.insert(std::string(directory_of(directory)));
    } else if (errno != EEXIST) {
      return failure("make directory", directory, errno);
    }
  }
  return {};
}

Result<void> LocalStore::make_durable(Unsynced& file) {
  if (file.durable) return {};
  if (::fsync(file.file.get()) != 0) {
    const int cause = errno;
    const ErrorCode code =
        cause == ENOSPC || cause == EDQUOT ? ErrorCode::store_full : ErrorCode::failed;
    return fail(code, fmt::format("fsync {} in {}: {}: its bytes may be lost", file.temporary,
                                  root_.string(), std::strerror(cause)));
  }
  file.durable = true;
  file.file.close();
  return {};
}

Result<void> LocalStore::keep_until_sync(std::string_view name, Unsynced file) {
  {
    MutexLock lock(mutex_);
    file.order = next_order_++;
    auto& slot = unsynced_[std::string(name)];
    if (!slot.temporary.empty()) discard(slot.temporary);
    slot = std::move(file);
    const auto is_open = [](const auto& entry) { return entry.second.file.is_open(); };
    if (std::count_if(unsynced_.begin(), unsynced_.end(), is_open) <=
        static_cast<std::ptrdiff_t>(unsynced_files_open_max))
      return {};
    auto first = unsynced_.end();
    for (auto at = unsynced_.begin(); at != unsynced_.end(); ++at)
      if (is_open(*at) && (first == unsynced_.end() || at->second.order < first->second.order))
        first = at;
    // Under the lock: whoever calls sync() meanwhile must find this file.
    auto synced = make_durable(first->second);
    if (synced.has_value()) return {};
    lost_ = synced.error();
    return synced;
  }
}

Result<void> LocalStore::publish(std::string_view name, Unsynced file, const Condition& condition) {
  TRY(make_durable(file));
  switch (condition.kind) {
    case Condition::Kind::none:
      if (::renameat(directory_.get(), file.temporary.c_str(), directory_.get(),
                     std::string(name).c_str()) != 0)
        return failure("rename to", name, errno);
      break;
    case Condition::Kind::if_absent:
      TRY(rename_if_absent(file.temporary, name));
      break;
    case Condition::Kind::if_version:
      TRY(rename_if_version(file.temporary, name, condition.version));
      break;
  }
  forget_unsynced(name);
  return sync_ancestors(name);
}

Result<void> LocalStore::rename_if_absent(const std::string& temporary, std::string_view name) {
  const std::string path(name);
  int cause = 0;
  if (::renameat2(directory_.get(), temporary.c_str(), directory_.get(), path.c_str(),
                  RENAME_NOREPLACE) != 0)
    cause = errno;
  // Not every file system knows the flag; a hard link has the same condition.
  if (cause == EINVAL || cause == ENOSYS || cause == ENOTSUP) {
    cause = ::linkat(directory_.get(), temporary.c_str(), directory_.get(), path.c_str(), 0) == 0
                ? 0
                : errno;
    if (cause == 0) discard(temporary);
  }
  if (cause == EEXIST)
    return fail(ErrorCode::exists, fmt::format("{} exists in {}", name, root_.string()));
  if (cause != 0) return failure("rename to", name, cause);
  return {};
}

Result<void> LocalStore::rename_if_version(const std::string& temporary, std::string_view name,
                                           const std::string& version) {
  MutexLock lock(version_mutex_);
  // A descriptor of its own, so that flock excludes other processes; closing it releases the lock.
  const Fd guard(::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!guard.is_open() || ::flock(guard.get(), LOCK_EX) != 0)
    return failure("lock the directory for", name, errno);
  const std::string path(name);
  struct stat status{};
  const bool found = ::fstatat(directory_.get(), path.c_str(), &status, 0) == 0;
  if (!found && errno != ENOENT) return failure("stat", name, errno);
  if (!found || version_of(status) != version)
    return fail(ErrorCode::conflict,
                fmt::format("{} in {} was changed by somebody else", name, root_.string()));
  move_mtime_past(directory_.get(), temporary, status);
  if (::renameat(directory_.get(), temporary.c_str(), directory_.get(), path.c_str()) != 0)
    return failure("rename to", name, errno);
  return {};
}

Result<void> LocalStore::remove(std::string_view name) {
  TRY(check_object_name(name));
  forget_unsynced(name);
  if (::unlinkat(directory_.get(), std::string(name).c_str(), 0) != 0) {
    auto failed = failure("remove", name, errno);
    if (failed.value().code == ErrorCode::not_found) return {};
    return failed;
  }
  MutexLock lock(mutex_);
  changed_directories_.insert(std::string(directory_of(name)));
  return {};
}

Result<void> LocalStore::sync() {
  MutexLock barrier(sync_mutex_);
  UnsyncedByName files;
  {
    MutexLock lock(mutex_);
    if (lost_) return fail(*lost_);
    files.swap(unsynced_);
  }
  auto synced = sync_files(files);
  std::set<std::string> directories;
  {
    MutexLock lock(mutex_);
    for (auto& [name, file] : files) {  // what is left after a failure waits for the next barrier
      if (unsynced_.contains(name))
        discard(file.temporary);
      else
        unsynced_.emplace(name, std::move(file));
    }
    if (!synced.has_value()) return synced;
    directories = changed_directories_;
  }
  for (const auto& directory : directories) TRY(sync_directory(directory));
  return {};
}

Result<void> LocalStore::sync_files(UnsyncedByName& files) {
  for (auto& [name, file] : files) {
    auto synced = make_durable(file);
    if (synced.has_value()) continue;
    MutexLock lock(mutex_);
    lost_ = synced.error();
    return synced;
  }
  while (!files.empty()) {
    const auto& [name, file] = *files.begin();
    if (::renameat(directory_.get(), file.temporary.c_str(), directory_.get(), name.c_str()) != 0)
      return failure("rename to", name, errno);
    MutexLock lock(mutex_);
    changed_directories_.insert(std::string(directory_of(name)));
    files.erase(files.begin());
  }
  return {};
}

Result<void> LocalStore::sync_directory(const std::string& directory) {
  {
    MutexLock lock(mutex_);  // before fsync: a later change puts it back
    changed_directories_.erase(directory);
  }
  const char* path = directory.empty() ? "." : directory.c_str();
  const Fd fd(::openat(directory_.get(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open() && errno == ENOENT) return {};
  if (fd.is_open() && ::fsync(fd.get()) == 0) return {};
  const int cause = errno;
  MutexLock lock(mutex_);
  changed_directories_.insert(directory);
  return failure("fsync directory", directory, cause);
}

Result<void> LocalStore::sync_ancestors(std::string_view name) {
  std::string_view directory = directory_of(name);
  TRY(sync_directory(std::string(directory)));
  while (!directory.empty()) {
    directory = directory_of(directory);
    const std::string above(directory);
    bool changed = false;
    {
      MutexLock lock(mutex_);
      changed = changed_directories_.contains(above);
    }
    if (changed) TRY(sync_directory(above));
  }
  return {};
}

void LocalStore::forget_unsynced(std::string_view name) {
  MutexLock lock(mutex_);
  const auto at = unsynced_.find(name);
  if (at == unsynced_.end()) return;
  discard(at->second.temporary);
  unsynced_.erase(at);
}

void LocalStore::discard(const std::string& temporary) const {
  static_cast<void>(::unlinkat(directory_.get(), temporary.c_str(), 0));
}

}  // namespace holdfast::store
