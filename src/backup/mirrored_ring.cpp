#include "backup/mirrored_ring.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"

namespace holdfast::backup {

Result<MirroredRing> MirroredRing::make(std::size_t bytes) {
  const Fd memory(::memfd_create("holdfast-ring", MFD_CLOEXEC));
  if (!memory.is_open()) return fail_errno("make a ring buffer", errno);
  if (::ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0)
    return fail_errno("size a ring buffer", errno);
  void* const room = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return fail_errno("map a ring buffer", errno);
  auto* const base = static_cast<std::uint8_t*>(room);
  for (auto* half : {base, base + bytes}) {
    if (::mmap(half, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(), 0) ==
        MAP_FAILED) {
      const int cause = errno;
      ::munmap(room, 2 * bytes);
      return fail_errno("map a ring buffer", cause);
    }
  }
  return MirroredRing(base, bytes);
}

MirroredRing::MirroredRing(MirroredRing&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}

MirroredRing::~MirroredRing() {
  if (base_ != nullptr) ::munmap(base_, 2 * bytes_);
}

MutableByteView MirroredRing::writable() {
  MutexLock lock(mutex_);
  while (written_ - free_from_ >= bytes_ && !closed_) room_.wait(mutex_);
  if (closed_) return {};
  return {base_ + written_ % bytes_, static_cast<std::size_t>(bytes_ - (written_ - free_from_))};
}

ByteView MirroredRing::view(std::uint64_t position, std::size_t bytes) const {
  return {base_ + position % bytes_, bytes};
}

MirroredRing::Loan MirroredRing::lend(std::uint64_t end) {
  MutexLock lock(mutex_);
  lent_.push_back({end, false});
  return first_loan_ + lent_.size() - 1;
}

void MirroredRing::release(Loan loan) {
  MutexLock lock(mutex_);
  lent_[loan - first_loan_].released = true;
  while (!lent_.empty() && lent_.front().released) {
    free_from_ = lent_.front().end;
    lent_.pop_front();
    ++first_loan_;
  }
  room_.notify_one();
}

void MirroredRing::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  room_.notify_all();
}

}  // namespace holdfast::backup
