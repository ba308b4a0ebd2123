// Snapshots: what decodes is encoded and decoded again to the same value, unknown members included.
#include "base/check.hpp"
#include "repo/snapshot.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto snapshot = decode_snapshot({bytes, size});
  if (!snapshot.has_value()) return 0;
  const Bytes json = encode_snapshot(*snapshot);
  const auto again = decode_snapshot(json);
  CHECK(again.has_value());
  CHECK(*again == *snapshot);
  CHECK(encode_snapshot(*again) == json);
  return 0;
}
