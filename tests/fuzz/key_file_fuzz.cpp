// Key files and the master key's JSON: decode, encode, decode. No scrypt is run: its cost is what
// decoding has to bound.
#include "base/check.hpp"
#include "repo/key_file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

void check_master_key(ByteView json) {
  const auto key = decode_master_key(Secret(json));
  if (!key.has_value()) return;
  const auto again = decode_master_key(encode_master_key(*key));
  CHECK(again.has_value());
  CHECK(again->encrypt == key->encrypt);
  CHECK(again->mac_k == key->mac_k);
  CHECK(again->mac_r == key->mac_r);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  check_master_key(input);
  const Secret once = trim_password(Secret(input));
  CHECK(once.reveal().size() <= size);
  const auto key_file = decode_key_file(input);
  if (!key_file.has_value()) return 0;
  CHECK(key_file->salt.size() == key_salt_bytes);
  CHECK(key_file->cost.n * key_file->cost.r * 128 <= scrypt_memory_bytes_max);
  CHECK(key_file->cost.n * key_file->cost.r * key_file->cost.p <= scrypt_work_max);
  const auto again = decode_key_file(encode_key_file(*key_file));
  CHECK(again.has_value() && *again == *key_file);
  return 0;
}
