#include "repo/sealing.hpp"

namespace holdfast::repo {

SealIv fresh_iv(Rng& rng) {
  SealIv iv{};
  rng.fill(iv);
  // A source of chance that gives zeros is refused by seal_into; here it is one case in 2^128.
  return iv;
}

Result<Bytes> seal(const MasterKey& key, Rng& rng, ByteView plain) {
  Bytes sealed(plain.size() + seal_overhead_bytes);
  TRY(seal_into(key, fresh_iv(rng), plain, sealed));
  return sealed;
}

Result<Bytes> unseal(const MasterKey& key, ByteView sealed) {
  if (sealed.size() < seal_overhead_bytes) return fail(ErrorCode::corrupt, "shorter than its seal");
  Bytes plain(sealed.size() - seal_overhead_bytes);
  TRY(open_into(key, sealed, plain));
  return plain;
}

MasterKey random_master_key(Rng& rng) {
  MasterKey key;
  rng.fill(key.encrypt);
  rng.fill(key.mac_k);
  rng.fill(key.mac_r);
  return key;
}

}  // namespace holdfast::repo
