#pragma once
// Reads blobs of one repository with buffers that are used again: for restore and verify, which
// read millions. Repository::load_blob is the short form for a few.
#include "repo/compress.hpp"
#include "repo/repository.hpp"

namespace holdfast::repo {

// Runs of blobs are read with one request; more than this is split by the caller.
constexpr std::uint64_t run_bytes_max = std::uint64_t{64} << 20;
// No blob above this is read: the format's chunks end at 8 MiB, trees at tree_bytes_max.
constexpr std::uint32_t blob_plain_bytes_max = std::uint32_t{1} << 30;

// One thread at a time; make one per worker thread. The repository must outlive it.
class BlobReader {
 public:
  explicit BlobReader(const Repository& repository) : repository_(repository) {}

  // As Repository::load_blob. The view is valid until the next call.
  Result<ByteView> load(const BlobHandle& handle);

  // Opens one sealed blob: tag, decompression and id are checked. Does no I/O. Valid until the
  // next call. `sealed` is overwritten with the decrypted bytes. Errors: corrupt.
  Result<ByteView> open(const IndexedBlob& blob, MutableByteView sealed);

  // Reads blobs of one pack, sorted by offset, with one request from the first to the end of the
  // last, and hands each to `take` with its number in `blobs` (and, when it can not be read from
  // this pack, from any other copy). The plaintext is valid during the call.
  // REQUIRES: blobs not empty, all of one pack. Errors: limit_exceeded above run_bytes_max.
  using Take = std::function<Result<void>(std::size_t number, ByteView plain)>;
  Result<void> load_run(std::span<const IndexedBlob> blobs, const Take& take);

 private:
  Result<ByteView> load_copy(const IndexedBlob& blob);

  const Repository& repository_;
  Decompressor decompressor_;
  Bytes sealed_;
  Bytes plain_;
};

}  // namespace holdfast::repo
