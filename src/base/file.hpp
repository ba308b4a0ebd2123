#pragma once
// Whole-file helpers and an owned file descriptor, for everything outside a store.
#include <filesystem>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace holdfast {

// Owns one descriptor; closes it. Move-only.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

Result<Fd> open_for_reading(const std::filesystem::path& path);

// Reads until out is full or the file ends; how many bytes there were.
Result<std::size_t> read_up_to(int fd, MutableByteView out);
Result<std::size_t> read_up_to_at(int fd, MutableByteView out, std::uint64_t offset);
Result<void> write_all(int fd, ByteView bytes);
Result<void> write_all_at(int fd, ByteView bytes, std::uint64_t offset);

// Refuses files above bytes_max (limit_exceeded).
Result<Bytes> read_file(const std::filesystem::path& path, std::uint64_t bytes_max);

// Temporary file beside it, fsync, rename, fsync of the directory: all or nothing.
Result<void> write_file_atomically(const std::filesystem::path& path, ByteView bytes,
                                   unsigned mode = 0600);

// Runs `f`, turning any exception of a library behind our fences into a malformed/failed error.
template <class F>
auto fence(std::string_view doing, F&& f) -> Result<decltype(f())> {
  try {
    return f();
  } catch (const std::exception& thrown) {
    return fail(ErrorCode::malformed, std::string(doing) + ": " + thrown.what());
  }
}

}  // namespace holdfast
