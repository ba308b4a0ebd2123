#include "repo/compress.hpp"

#include <fmt/format.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

namespace holdfast::repo {
namespace {

constexpr std::size_t first_room_bytes_min = std::size_t{64} << 10;
constexpr std::size_t first_room_bytes_max = std::size_t{16} << 20;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

tl::unexpected<Error> fail_zstd(std::size_t status) {
  return fail(ErrorCode::corrupt, fmt::format("zstd frame: {}", ZSTD_getErrorName(status)));
}

bool is_worthwhile(std::size_t frame_bytes, std::size_t plain_bytes) {
  return frame_bytes + (plain_bytes >> worthwhile_saving_shift) < plain_bytes;
}

// How much the first buffer holds: what the frame says of itself (it may say nothing, or lie).
std::size_t first_room(ByteView frame) {
  const unsigned long long said = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (said >= ZSTD_CONTENTSIZE_ERROR) return first_room_bytes_min;
  return std::clamp(static_cast<std::size_t>(said), first_room_bytes_min, first_room_bytes_max);
}

}  // namespace

struct Compressor::Zstd {
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> context{ZSTD_createCCtx()};
};

Compressor::Compressor(int level) : zstd_(std::make_unique<Zstd>()) {
  ZSTD_CCtx_setParameter(zstd_->context.get(), ZSTD_c_compressionLevel,
                         std::clamp(level, compression_level_min, compression_level_max));
  ZSTD_CCtx_setParameter(zstd_->context.get(), ZSTD_c_checksumFlag, 0);
}

Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;
Compressor::~Compressor() = default;

Result<std::size_t> Compressor::append_frame(ByteView plain, Bytes& out) {
  const std::size_t before = out.size();
  const std::size_t room = ZSTD_compressBound(plain.size());
  out.resize(before + room);
  const std::size_t written =
      ZSTD_compress2(zstd_->context.get(), out.data() + before, room, plain.data(), plain.size());
  if (ZSTD_isError(written) != 0) {
    out.resize(before);
    return fail(ErrorCode::failed, fmt::format("zstd: {}", ZSTD_getErrorName(written)));
  }
  out.resize(before + written);
  return written;
}

// True unless none of the samples does.
Result<bool> Compressor::samples_shrink(ByteView plain, Bytes& out) {
  if (plain.size() < sampled_bytes_min) return true;
  const std::size_t before = out.size();
  const std::size_t step = (plain.size() - sample_bytes) / (sample_count - 1);
  for (std::size_t sample = 0; sample < sample_count; ++sample) {
    const std::size_t written = TRY(append_frame(plain.subspan(sample * step, sample_bytes), out));
    out.resize(before);
    if (is_worthwhile(written, sample_bytes)) return true;
  }
  return false;
}

Result<std::optional<std::size_t>> Compressor::append_frame_if_worthwhile(ByteView plain,
                                                                          Bytes& out) {
  const bool may_shrink = TRY(samples_shrink(plain, out));
  if (!may_shrink) return std::optional<std::size_t>();
  const std::size_t before = out.size();
  const std::size_t written = TRY(append_frame(plain, out));
  if (is_worthwhile(written, plain.size())) return std::optional<std::size_t>(written);
  out.resize(before);
  return std::optional<std::size_t>();
}

struct Decompressor::Zstd {
  std::unique_ptr<ZSTD_DCtx, FreeDecompressor> context{ZSTD_createDCtx()};
};

Decompressor::Decompressor() : zstd_(std::make_unique<Zstd>()) {}

Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;

Result<void> Decompressor::decompress_into(ByteView frame, MutableByteView plain) {
  const std::size_t written = ZSTD_decompressDCtx(zstd_->context.get(), plain.data(), plain.size(),
                                                  frame.data(), frame.size());
  if (ZSTD_isError(written) != 0) return fail_zstd(written);
  if (written != plain.size())
    return fail(ErrorCode::corrupt, fmt::format("zstd frame holds {} bytes where {} were expected",
                                                written, plain.size()));
  return {};
}

// In one piece, into buffers that double until they suffice: zstd's streaming mode would first
// allocate the window that the frame asks for, up to 128 MiB for a few bytes.
Result<Bytes> Decompressor::decompress(ByteView frame, std::size_t plain_bytes_max) {
  if (frame.empty()) return fail(ErrorCode::corrupt, "zstd frame is missing");
  for (std::size_t room = first_room(frame);; room *= 2) {
    Bytes plain(std::min(room, plain_bytes_max));
    const std::size_t written = ZSTD_decompressDCtx(zstd_->context.get(), plain.data(),
                                                    plain.size(), frame.data(), frame.size());
    const bool is_too_small = ZSTD_getErrorCode(written) == ZSTD_error_dstSize_tooSmall;
    if (is_too_small && room < plain_bytes_max) continue;
    if (is_too_small)
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("zstd frame holds more than {} bytes", plain_bytes_max));
    if (ZSTD_isError(written) != 0) return fail_zstd(written);
    plain.resize(written);
    return plain;
  }
}

}  // namespace holdfast::repo
