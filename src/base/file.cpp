#include "base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/rng.hpp"

namespace holdfast {
namespace {

Result<void> sync_directory(const std::filesystem::path& directory) {
  const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) return fail_errno("open " + directory.string(), errno);
  if (::fsync(fd.get()) != 0) return fail_errno("fsync " + directory.string(), errno);
  return {};
}

}  // namespace

void Fd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> open_for_reading(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.is_open()) return fail_errno("open " + path.string(), errno);
  return fd;
}

Result<std::size_t> read_up_to(int fd, MutableByteView out) {
  std::size_t total = 0;
  while (total < out.size()) {
    const auto got = ::read(fd, out.data() + total, out.size() - total);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", errno);
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

Result<std::size_t> read_up_to_at(int fd, MutableByteView out, std::uint64_t offset) {
  std::size_t total = 0;
  while (total < out.size()) {
    const auto got =
        ::pread(fd, out.data() + total, out.size() - total, static_cast<off_t>(offset + total));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", errno);
    if (got == 0) break;
    total += static_cast<std::size_t>(got);
  }
  return total;
}

Result<void> write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const auto put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> write_all_at(int fd, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const auto put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", errno);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  auto fd = TRY(open_for_reading(path));
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return fail_errno("stat " + path.string(), errno);
  if (S_ISDIR(status.st_mode)) return fail_errno("read " + path.string(), EISDIR);
  Bytes bytes;
  // Pipes and /proc files have no size: grow until the end, under the limit.
  while (true) {
    const std::size_t old = bytes.size();
    const std::size_t step =
        std::max<std::size_t>(static_cast<std::size_t>(status.st_size) + 1, 64 * 1024);
    bytes.resize(old + std::min<std::size_t>(step, bytes_max + 1 - old));
    const auto got = TRY(read_up_to(fd.get(), MutableByteView(bytes).subspan(old)));
    const bool ended = old + got < bytes.size();
    bytes.resize(old + got);
    if (bytes.size() > bytes_max)
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("{} is larger than {} bytes", path.string(), bytes_max));
    if (ended) return bytes;
  }
}

Result<void> write_file_atomically(const std::filesystem::path& path, ByteView bytes,
                                   unsigned mode) {
  SystemRng rng;
  const auto temporary =
      path.parent_path() / fmt::format(".{}-tmp-{:016x}", path.filename().string(), rng.next());
  {
    const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.is_open()) return fail_errno("create " + temporary.string(), errno);
    auto written = write_all(fd.get(), bytes);
    if (written.has_value() && ::fsync(fd.get()) != 0) written = fail_errno("fsync", errno);
    if (!written.has_value()) {
      ::unlink(temporary.c_str());
      return std::move(written).while_doing("writing " + path.string());
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary.c_str());
    return fail_errno("rename to " + path.string(), cause);
  }
  return sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

}  // namespace holdfast
