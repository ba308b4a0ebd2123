#pragma once
// The header at the end of a pack file: which blobs stand where (docs/repository_format.md A6).
//
//   pack = sealed blob ... sealed blob | sealed header | u32le length of the sealed header
//
// These functions see the header's plaintext; sealing and opening are done by the caller.
#include <vector>

#include "repo/cipher.hpp"
#include "repo/ids.hpp"

namespace holdfast::repo {

constexpr std::uint32_t pack_length_field_bytes = 4;
constexpr std::uint32_t pack_header_sealed_bytes_max = 16U << 20;
constexpr std::uint32_t pack_entry_bytes_min = 37;
constexpr std::uint32_t pack_entry_bytes_max = 41;
constexpr std::uint64_t pack_bytes_max = 0xFFFFFFFF;  // offsets are 32 bits everywhere
constexpr std::size_t pack_blobs_max =
    (pack_header_sealed_bytes_max - seal_overhead_bytes) / pack_entry_bytes_max;
// One read of so many bytes from the end holds the whole header of packs of up to 15 blobs.
constexpr std::size_t pack_tail_guess_bytes =
    15 * pack_entry_bytes_max + seal_overhead_bytes + pack_length_field_bytes;

// Where one blob stands in a pack. Plain value.
struct PackedBlob {
  BlobId id;
  BlobType type = BlobType::data;
  std::uint32_t offset = 0;        // of the sealed blob in the pack
  std::uint32_t length = 0;        // of the sealed blob
  std::uint32_t plain_length = 0;  // uncompressed bytes; 0: the blob is not compressed

  constexpr bool is_compressed() const { return plain_length != 0; }
  BlobHandle handle() const { return {type, id}; }
  friend bool operator==(const PackedBlob&, const PackedBlob&) = default;
};

// Bytes of the header's plaintext for one blob.
constexpr std::uint32_t pack_entry_bytes(const PackedBlob& blob) {
  return blob.is_compressed() ? pack_entry_bytes_max : pack_entry_bytes_min;
}

// Plaintext of the header. REQUIRES: at most pack_blobs_max, in pack order, offsets without gaps.
Bytes encode_pack_header(const std::vector<PackedBlob>& blobs);

// Where the sealed header stands, from the last bytes of a pack (at least 4) and its size.
struct PackHeaderPlace {
  std::uint64_t offset = 0;
  std::uint32_t sealed_bytes = 0;
};
Result<PackHeaderPlace> locate_pack_header(ByteView tail, std::uint64_t pack_bytes);

// Entries with running offsets. `corrupt` unless they cover the pack up to the header exactly.
Result<std::vector<PackedBlob>> decode_pack_header(ByteView plain, const PackHeaderPlace& place);

}  // namespace holdfast::repo
