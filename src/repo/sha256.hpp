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

// digests[i] = SHA-256 of messages[i], of any lengths, the longest first started. Worth it from two
// messages on; best with sixteen or more. REQUIRES: the spans have the same length, and `engine` is
// available.
void sha256_many(std::span<const ByteView> messages, std::span<Digest> digests,
                 Sha256Engine engine = best_sha256_engine());

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
