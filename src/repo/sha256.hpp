#pragma once
// SHA-256, the name of everything in a repository (docs/repository_format.md A1). One message at a
// time, many messages at once, or one message in pieces. All functions are thread-safe.
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.hpp"

namespace holdfast::repo {

using Digest = std::array<std::uint8_t, 32>;

// The ways to hash many messages; all give the same digests.
enum class Sha256Engine : std::uint8_t {
  openssl,  // one after the other: any processor
  sha_ni,   // two streams interleaved: x86-64 with the SHA extensions
  avx512,   // sixteen streams, one per 32-bit lane: x86-64 with AVX-512 (F, BW)
};

bool is_available(Sha256Engine engine);
Sha256Engine best_sha256_engine();

Digest sha256(ByteView message);

// digests[i] = SHA-256 of messages[i], of any lengths. Worth it from two messages on; best with
// sixteen or more. REQUIRES: the spans have the same length, and `engine` is available.
void sha256_many(std::span<const ByteView> messages, std::span<Digest> digests,
                 Sha256Engine engine = best_sha256_engine());

constexpr std::size_t sha256_block_bytes = 64;

// A message whose beginning was hashed already: a whole number of blocks.
struct Sha256Midstate {
  // Fractional parts of the square roots of the first eight primes.
  std::array<std::uint32_t, 8> state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::uint64_t bytes = 0;
};

// Midstates need an engine of ours; OpenSSL shows none. Without one, hash the whole message.
bool can_hash_in_parts();

// The digest of `before` followed by `rest`. REQUIRES: can_hash_in_parts(), or `before` is fresh.
Digest sha256(const Sha256Midstate& before, ByteView rest);

// Messages, and parts of messages, that are hashed together. One thread. What is added must stay
// where it is until run() returns; the batch is empty afterwards.
class Sha256Batch {
 public:
  Sha256Batch();
  Sha256Batch(Sha256Batch&&) noexcept;
  Sha256Batch& operator=(Sha256Batch&&) noexcept;
  ~Sha256Batch();

  void add(ByteView message, Digest& digest);
  // REQUIRES: can_hash_in_parts(), and blocks has a whole number of blocks.
  void extend(Sha256Midstate& message, ByteView blocks);
  void run(Sha256Engine engine = best_sha256_engine());

 private:
  struct Jobs;
  std::unique_ptr<Jobs> jobs_;
};

// One message in pieces. One thread at a time; move-only. After finish it starts a new message.
class Sha256Stream {
 public:
  Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  ~Sha256Stream();

  void update(ByteView piece);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repo
