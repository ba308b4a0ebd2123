// Payloads of unpacked files and compressed blobs: whatever decodes does so within its limit, the
// same way into a buffer of known size, and is compressed and decompressed again.
#include "base/check.hpp"
#include "repo/unpacked.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

constexpr std::size_t plain_bytes_max = 1 << 20;  // keeps the fuzzer fast

void check_frame(ByteView frame, Decompressor& decompressor) {
  const auto plain = decompressor.decompress(frame, plain_bytes_max);
  Bytes buffer(plain.has_value() ? plain->size() : 1000);
  const auto direct = decompressor.decompress_into(frame, buffer);
  if (!plain.has_value()) return;
  CHECK(plain->size() <= plain_bytes_max);
  CHECK(direct.has_value() && buffer == *plain);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static Compressor compressor;
  static Decompressor decompressor;
  const ByteView input(bytes, size);
  check_frame(input, decompressor);
  // The real limit of 128 MiB is for the unit tests: bombs up to there would take all the time.
  const auto small = decompressor.decompress(size > 0 ? input.subspan(1) : input, plain_bytes_max);
  if (!small.has_value() && small.error().code == ErrorCode::limit_exceeded) return 0;
  const auto json = decode_unpacked(input, FormatVersion::v2, decompressor);
  if (!json.has_value()) return 0;
  CHECK(json->size() <= unpacked_json_bytes_max);
  if (json->size() > plain_bytes_max) return 0;
  const auto payload = encode_unpacked(*json, FormatVersion::v2, compressor);
  CHECK(payload.has_value());
  const auto again = decode_unpacked(*payload, FormatVersion::v2, decompressor);
  CHECK(again.has_value() && *again == *json);
  return 0;
}
