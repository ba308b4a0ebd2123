#pragma once
// A ring of bytes mapped twice in a row, so that any piece of it is one contiguous view: a file is
// read into it, cut into chunks in place, and the chunks are hashed where they lie. No copy, no
// allocation, and its size bounds the memory of reading files of any length.
#include <deque>

#include "base/bytes.hpp"
#include "base/mutex.hpp"

namespace holdfast::backup {

// One thread produces; any thread releases. Positions count bytes since the beginning.
class MirroredRing {
 public:
  // REQUIRES: bytes is a multiple of the page size.
  static Result<MirroredRing> make(std::size_t bytes);
  MirroredRing(MirroredRing&& other) noexcept;
  MirroredRing& operator=(MirroredRing&&) = delete;
  ~MirroredRing();

  // Waits until there is room; where to write and how much. Empty when closed.
  MutableByteView writable();
  void produced(std::size_t bytes) { written_ += bytes; }
  std::uint64_t written() const { return written_; }

  ByteView view(std::uint64_t position, std::size_t bytes) const;

  // Everything from the last lent position up to `end` is lent to a reader until it is released.
  using Loan = std::uint64_t;
  Loan lend(std::uint64_t end);
  void release(Loan loan);

  // Wakes and refuses the producer: another thread has failed.
  void close();

 private:
  MirroredRing(std::uint8_t* base, std::size_t bytes) : base_(base), bytes_(bytes) {}

  struct Lent {
    std::uint64_t end = 0;
    bool released = false;
  };

  std::uint8_t* base_;
  const std::size_t bytes_;
  std::uint64_t written_ = 0;

  Mutex mutex_;
  CondVar room_;
  std::deque<Lent> lent_ GUARDED_BY(mutex_);
  Loan first_loan_ GUARDED_BY(mutex_) = 0;
  std::uint64_t free_from_ GUARDED_BY(mutex_) = 0;  // all before it has been released
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::backup
