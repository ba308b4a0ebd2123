#pragma once
// Sealing whole buffers under the master key, with fresh IVs (docs/repository_format.md A2).
#include "base/rng.hpp"
#include "repo/cipher.hpp"

namespace holdfast::repo {

// 16 bytes of chance, not all zero.
SealIv fresh_iv(Rng& rng);

Result<Bytes> seal(const MasterKey& key, Rng& rng, ByteView plain);

// Errors: corrupt.
Result<Bytes> unseal(const MasterKey& key, ByteView sealed);

// A new random master key.
MasterKey random_master_key(Rng& rng);

}  // namespace holdfast::repo
