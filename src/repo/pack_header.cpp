#include "repo/pack_header.hpp"

#include <fmt/format.h>

namespace holdfast::repo {
namespace {

constexpr std::uint8_t compressed_flag = 2;

std::uint8_t entry_kind(const PackedBlob& blob) {
  const auto kind =
      static_cast<unsigned>(blob.type) | (blob.is_compressed() ? compressed_flag : 0U);
  return static_cast<std::uint8_t>(kind);
}

// Moves `at` behind the entry. Errors: corrupt.
Result<PackedBlob> decode_entry(ByteView plain, std::size_t& at) {
  const std::uint8_t kind = plain[at];
  if (kind > 3) return fail(ErrorCode::corrupt, fmt::format("pack header: blob type {}", kind));
  const bool is_compressed = (kind & compressed_flag) != 0;
  const std::size_t entry_bytes = is_compressed ? pack_entry_bytes_max : pack_entry_bytes_min;
  if (plain.size() - at < entry_bytes)
    return fail(ErrorCode::corrupt, fmt::format("pack header: entry cut short at offset {}", at));
  const std::uint8_t* from = plain.data() + at + 1;
  PackedBlob blob;
  blob.type = static_cast<BlobType>(kind & 1);
  blob.length = load_le<std::uint32_t>(from);
  from += 4;
  if (is_compressed) {
    blob.plain_length = load_le<std::uint32_t>(from);
    from += 4;
  }
  blob.id = BlobId::from_bytes({from, 32});
  if (is_compressed && blob.plain_length == 0)
    return fail(ErrorCode::corrupt, "pack header: compressed blob without a plain length");
  if (blob.length < seal_overhead_bytes)
    return fail(ErrorCode::corrupt,
                fmt::format("pack header: blob of {} bytes is too short", blob.length));
  at += entry_bytes;
  return blob;
}

}  // namespace

Bytes encode_pack_header(const std::vector<PackedBlob>& blobs) {
  Bytes plain(blobs.size() * pack_entry_bytes_max);
  std::uint8_t* to = plain.data();
  for (const auto& blob : blobs) {
    *to++ = entry_kind(blob);
    store_le(to, blob.length);
    to += 4;
    if (blob.is_compressed()) {
      store_le(to, blob.plain_length);
      to += 4;
    }
    to = std::copy(blob.id.bytes.begin(), blob.id.bytes.end(), to);
  }
  plain.resize(static_cast<std::size_t>(to - plain.data()));
  return plain;
}

Result<PackHeaderPlace> locate_pack_header(ByteView tail, std::uint64_t pack_bytes) {
  if (tail.size() < pack_length_field_bytes || pack_bytes < tail.size())
    return fail(ErrorCode::corrupt, fmt::format("pack of {} bytes is too short", pack_bytes));
  if (pack_bytes > pack_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("pack of {} bytes is too long", pack_bytes));
  const auto sealed_bytes = load_le<std::uint32_t>(tail.data() + tail.size() - 4);
  if (sealed_bytes < seal_overhead_bytes || sealed_bytes > pack_header_sealed_bytes_max)
    return fail(ErrorCode::corrupt, fmt::format("pack header of {} bytes", sealed_bytes));
  if (sealed_bytes + std::uint64_t{pack_length_field_bytes} > pack_bytes)
    return fail(ErrorCode::corrupt,
                fmt::format("pack of {} bytes has a header of {} bytes", pack_bytes, sealed_bytes));
  return PackHeaderPlace{pack_bytes - pack_length_field_bytes - sealed_bytes, sealed_bytes};
}

Result<std::vector<PackedBlob>> decode_pack_header(ByteView plain, const PackHeaderPlace& place) {
  if (plain.size() > pack_header_sealed_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("pack header of {} bytes", plain.size()));
  std::vector<PackedBlob> blobs;
  blobs.reserve(plain.size() / pack_entry_bytes_min);
  std::uint64_t offset = 0;
  for (std::size_t at = 0; at < plain.size();) {
    PackedBlob blob = TRY(decode_entry(plain, at));
    if (offset + blob.length > place.offset)
      return fail(ErrorCode::corrupt,
                  fmt::format("pack header: blobs reach beyond offset {}", place.offset));
    blob.offset = static_cast<std::uint32_t>(offset);
    offset += blob.length;
    blobs.push_back(blob);
  }
  if (offset != place.offset)
    return fail(
        ErrorCode::corrupt,
        fmt::format("pack header: blobs end at {}, the header begins at {}", offset, place.offset));
  return blobs;
}

}  // namespace holdfast::repo
