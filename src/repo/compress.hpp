#pragma once
// Zstandard, the only compression of the repository format (docs/repository_format.md A5, A6):
// plain frames, no dictionary, no checksum (the seal's tag already covers the bytes).
#include <memory>
#include <optional>

#include "base/bytes.hpp"

namespace holdfast::repo {

// Levels as zstd counts them; negative ones are faster and weaker.
constexpr int compression_level_min = -7;
constexpr int compression_level_max = 19;
constexpr int compression_level_default = 1;

// A blob stays as it is unless the frame is smaller by at least plain/2^5 (3 %): below that the
// time spent on decoding at every restore is worth more than the room.
constexpr unsigned worthwhile_saving_shift = 5;

// Blobs above this are judged by samples from all over them before they are compressed whole.
constexpr std::size_t sampled_bytes_min = std::size_t{256} << 10;
constexpr std::size_t sample_bytes = std::size_t{8} << 10;
constexpr std::size_t sample_count = 8;

// One reusable compression context. One thread at a time; make one per worker thread.
class Compressor {
 public:
  explicit Compressor(int level = compression_level_default);  // clamped to the range above
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;
  ~Compressor();

  // Appends one frame holding `plain` to `out`; how many bytes were appended.
  Result<std::size_t> append_frame(ByteView plain, Bytes& out);
  // As append_frame, but appends nothing and yields nothing when that is not worth it. Of a long
  // blob (above sampled_bytes_min) samples are tried first, so that what does not compress costs
  // next to nothing.
  Result<std::optional<std::size_t>> append_frame_if_worthwhile(ByteView plain, Bytes& out);

 private:
  Result<bool> samples_shrink(ByteView plain, Bytes& out);

  struct Zstd;
  std::unique_ptr<Zstd> zstd_;
};

// One reusable decompression context. One thread at a time. Input is foreign: errors are
// `corrupt` (not zstd, damaged, wrong length) and `limit_exceeded`.
class Decompressor {
 public:
  Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;
  ~Decompressor();

  // Fills `plain` exactly; more or fewer bytes in the frame are `corrupt`. Allocates nothing.
  Result<void> decompress_into(ByteView frame, MutableByteView plain);
  // For frames of unknown plain length. Never holds more than plain_bytes_max.
  Result<Bytes> decompress(ByteView frame, std::size_t plain_bytes_max);

 private:
  struct Zstd;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace holdfast::repo
