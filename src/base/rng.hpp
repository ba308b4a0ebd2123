#pragma once
// Chance comes through the door too. SystemRng is cryptographic; SeededRng makes a run repeatable.
#include <array>
#include <mutex>

#include "base/bytes.hpp"

namespace holdfast {

// Thread-safe.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(MutableByteView out) = 0;
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // uniform enough; REQUIRES: bound > 0
};

// The system's CSPRNG (getrandom). Small requests are served from a buffer refilled in blocks.
class SystemRng final : public Rng {
 public:
  void fill(MutableByteView out) override;

 private:
  std::mutex mutex_;
  std::array<std::uint8_t, 4096> buffer_{};
  std::size_t used_ = 4096;
};

// splitmix64: for tests and simulation only, never for keys or nonces of real data.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteView out) override;

 private:
  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace holdfast
