#include "base/rng.hpp"

#include <sys/random.h>

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
  if (used_ + out.size() > buffer_.size()) {
    fill_from_system(buffer_);
    used_ = 0;
  }
  std::memcpy(out.data(), buffer_.data() + used_, out.size());
  std::memset(buffer_.data() + used_, 0, out.size());  // what was handed out is not kept
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
