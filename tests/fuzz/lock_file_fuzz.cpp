// Locks: decode, encode, decode.
#include "base/check.hpp"
#include "repo/lock_file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto lock = decode_lock_file({bytes, size});
  if (!lock.has_value()) return 0;
  const Bytes json = encode_lock_file(*lock);
  const auto again = decode_lock_file(json);
  CHECK(again.has_value() && *again == *lock);
  CHECK(encode_lock_file(*again) == json);
  return 0;
}
