#include "base/rng.hpp"

#include <pthread.h>
#include <sys/random.h>

#include <atomic>
#include <cstring>

#include "base/check.hpp"

namespace holdfast {
namespace {

void fill_from_system(MutableByteView out) {
  while (!out.empty()) {
    const auto got = getrandom(out.data(), out.size(), 0);
    CHECK(got > 0);  // blocks until the pool is ready; has no other failure for valid buffers
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

// How many forks lie between the first process and this one. A child must not hand out what its
// parent's buffer still holds: two seals with one nonce would give both plaintexts away.
std::atomic<std::size_t> fork_count{0};

std::size_t forks_until_here() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); });
  CHECK(registered == 0);
  return fork_count.load(std::memory_order_relaxed);
}

}  // namespace

std::uint64_t Rng::next() {
  std::uint8_t raw[8];
  fill(raw);
  return load_le<std::uint64_t>(raw);
}

std::uint64_t Rng::below(std::uint64_t bound) {
  CHECK(bound > 0);
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64);
}

void SystemRng::fill(MutableByteView out) {
  if (out.size() > buffer_.size() / 4) return fill_from_system(out);
  const std::lock_guard lock(mutex_);
  // used_ counts from a multiple of the buffer's size that is this process's own: a buffer filled
  // before a fork is behind it, one that is used up is beyond it.
  const std::size_t origin = forks_until_here() * 2 * buffer_.size();
  if (used_ < origin || used_ - origin + out.size() > buffer_.size()) {
    fill_from_system(buffer_);
    used_ = origin;
  }
  std::uint8_t* next = buffer_.data() + (used_ - origin);
  std::memcpy(out.data(), next, out.size());
  std::memset(next, 0, out.size());  // what was handed out is not kept
  used_ += out.size();
}

void SeededRng::fill(MutableByteView out) {
  const std::lock_guard lock(mutex_);
  for (std::size_t at = 0; at < out.size(); at += 8) {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    mixed ^= mixed >> 31;
    std::memcpy(out.data() + at, &mixed, std::min<std::size_t>(8, out.size() - at));
  }
}

}  // namespace holdfast
