// Pack headers: what decodes is encoded to the same bytes, and its blobs fill the pack exactly.
// Input: u32 size of the blobs, then the header's plaintext; also taken as the tail of a pack.
#include "base/check.hpp"
#include "repo/pack_header.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  const auto place = locate_pack_header(input, size);
  if (place.has_value())
    CHECK(place->offset + place->sealed_bytes + pack_length_field_bytes == size);
  if (size < 4) return 0;
  const auto plain = input.subspan(4);
  const PackHeaderPlace end{load_le<std::uint32_t>(bytes), 0};
  const auto blobs = decode_pack_header(plain, end);
  if (!blobs.has_value()) return 0;
  const Bytes again = encode_pack_header(*blobs);
  CHECK(as_text(again) == as_text(plain));
  std::uint64_t offset = 0;
  for (const auto& blob : *blobs) {
    CHECK(blob.offset == offset);
    offset += blob.length;
  }
  CHECK(offset == end.offset);
  return 0;
}
