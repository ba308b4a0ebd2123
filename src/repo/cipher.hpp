#pragma once
// Sealing: AES-256-CTR and Poly1305-AES over everything a repository stores but its key files
// (docs/repository_format.md A2).
//
//   sealed = IV (16) || C || T (16)      C = AES-256-CTR(encrypt, counter block = IV, plain)
//                                        T = Poly1305(clamp(mac_r), AES-128(mac_k, IV), C)
//
// Thread-safe: each thread keeps its own OpenSSL contexts, loaded with the key it used last, until
// another key is used or the thread ends.
#include <array>

#include "base/bytes.hpp"

namespace holdfast::repo {

constexpr std::size_t seal_iv_bytes = 16;
constexpr std::size_t seal_tag_bytes = 16;
constexpr std::size_t seal_overhead_bytes = seal_iv_bytes + seal_tag_bytes;

using SealIv = std::array<std::uint8_t, seal_iv_bytes>;

// The repository's master key, or one derived from a password. Every copy wipes itself when it is
// destroyed. mac_r may be stored clamped or not: it is clamped at use.
struct MasterKey {
  std::array<std::uint8_t, 32> encrypt{};
  std::array<std::uint8_t, 16> mac_k{};
  std::array<std::uint8_t, 16> mac_r{};

  ~MasterKey();
};

// Seals `plain` into `sealed`. `plain` may be sealed.subspan(16, plain.size()), and then needs no
// copy; any other overlap is a bug. The IV must be fresh from the system's Rng for every call.
// REQUIRES: sealed.size() == plain.size() + seal_overhead_bytes.
// Errors: refused if the IV is all zero.
Result<void> seal_into(const MasterKey& key, const SealIv& iv, ByteView plain,
                       MutableByteView sealed);

// Checks the tag (in constant time), and only then decrypts. Errors: corrupt if `sealed` is shorter
// than the overhead, its IV is all zero, or the tag does not fit (damage or a wrong key); `plain`
// was not touched then. REQUIRES: plain.size() + seal_overhead_bytes == sealed.size().
Result<void> open_into(const MasterKey& key, ByteView sealed, MutableByteView plain);

// The same inside the buffer; the result is sealed.subspan(16, size - 32).
Result<MutableByteView> open_in_place(const MasterKey& key, MutableByteView sealed);

}  // namespace holdfast::repo
