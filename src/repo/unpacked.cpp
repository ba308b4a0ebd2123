#include "repo/unpacked.hpp"

#include <fmt/format.h>

namespace holdfast::repo {
namespace {

constexpr std::uint8_t zstd_marker = 2;

}  // namespace

Result<Bytes> encode_unpacked(ByteView json, FormatVersion version, Compressor& compressor) {
  if (version == FormatVersion::v1) return to_bytes(json);
  Bytes payload{zstd_marker};
  TRY(compressor.append_frame(json, payload));
  return payload;
}

Result<Bytes> decode_unpacked(ByteView payload, FormatVersion version, Decompressor& decompressor) {
  const bool is_bare =
      payload.empty() || version == FormatVersion::v1 || payload[0] == '{' || payload[0] == '[';
  if (is_bare && payload.size() > unpacked_json_bytes_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("payload of {} bytes is above the limit of {}", payload.size(),
                            unpacked_json_bytes_max));
  if (is_bare) return to_bytes(payload);
  if (payload[0] != zstd_marker)
    return fail(ErrorCode::corrupt, fmt::format("payload begins with the unknown byte {:#04x}",
                                                static_cast<unsigned>(payload[0])));
  return decompressor.decompress(payload.subspan(1), unpacked_json_bytes_max);
}

}  // namespace holdfast::repo
