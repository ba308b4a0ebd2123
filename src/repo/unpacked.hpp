#pragma once
// How index, snapshot and lock files look under their seal: a version byte and a zstd frame, or
// bare JSON (docs/repository_format.md A5). Sealing and naming are done by the caller (cipher.hpp).
#include "repo/compress.hpp"

namespace holdfast::repo {

// JSON of one unpacked file. The largest honest one is an index file holding a pack with 409,199
// blobs, about 70 MB; restic closes index files at 50,000 blobs (8 MiB).
constexpr std::size_t unpacked_json_bytes_max = std::size_t{128} << 20;

// What the config says (A4); format 1 knows no compression.
enum class FormatVersion : std::uint8_t { v1 = 1, v2 = 2 };

// The payload to seal: 0x02 and a frame in format 2, the JSON itself in format 1.
Result<Bytes> encode_unpacked(ByteView json, FormatVersion version, Compressor& compressor);

// The JSON of an opened payload. An empty payload gives an empty result (a lock file that was
// cut short). Errors: `corrupt` (unknown first byte, damaged frame), `limit_exceeded`.
Result<Bytes> decode_unpacked(ByteView payload, FormatVersion version, Decompressor& decompressor);

}  // namespace holdfast::repo
