#include "repo/unverified_blobs.hpp"

#include <fmt/format.h>

#include <utility>

namespace holdfast::repo {
namespace {

// Buffers that huge blobs made larger are given back: chunks that large are rare.
constexpr std::size_t buffer_bytes_kept = std::size_t{8} << 20;

std::size_t plain_bytes_of(const PackedBlob& blob) {
  return blob.is_compressed() ? blob.plain_length : blob.length - seal_overhead_bytes;
}

tl::unexpected<Error> fail_faulty(const PackedBlob& blob) {
  return fail(ErrorCode::corrupt,
              fmt::format("blob {} can not be read back from memory: faulty memory or processor",
                          blob.id.short_hex()));
}

void trim(Bytes& buffer) {
  if (buffer.capacity() > buffer_bytes_kept) Bytes().swap(buffer);
}

}  // namespace

void UnverifiedBlobs::add(Packer& packer, Packer::Room room, const PackedBlob& blob) {
  plain_bytes_ += plain_bytes_of(blob);
  waiting_.push_back({&packer, std::move(room), blob});
}

Result<void> UnverifiedBlobs::settle(const MasterKey& key, Packer& packer, const NextBlobs& next) {
  auto settled = verify(key, packer, next);
  if (settled.has_value())
    settled = commit();
  else
    abandon(settled.error());
  waiting_.clear();
  plain_bytes_ = 0;
  trim(frame_);
  trim(plain_);
  return settled;
}

Result<void> UnverifiedBlobs::verify(const MasterKey& key, Packer& packer, const NextBlobs& next) {
  plain_.resize(plain_bytes_);
  std::vector<Digest> digests(waiting_.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    const auto plain = MutableByteView(plain_).subspan(at, plain_bytes_of(waiting_[i].blob));
    if (!open(key, waiting_[i], plain).has_value()) {
      batch_ = Sha256Batch();
      return fail_faulty(waiting_[i].blob);
    }
    at += plain.size();
    batch_.add(plain, digests[i]);
  }
  for (std::size_t i = 0; i < next.plain.size(); ++i) batch_.add(next.plain[i], next.digests[i]);
  auto parts = packer.lend_unhashed();
  for (auto& part : parts) batch_.extend(part.state, part.blocks);
  batch_.run();
  packer.give_back_hashed(parts);

  for (std::size_t i = 0; i < digests.size(); ++i)
    if (digests[i] != waiting_[i].blob.id.bytes) return fail_faulty(waiting_[i].blob);
  return {};
}

Result<void> UnverifiedBlobs::open(const MasterKey& key, const Waiting& waiting,
                                   MutableByteView plain) {
  const ByteView sealed = waiting.room.bytes();
  if (!waiting.blob.is_compressed()) return open_into(key, sealed, plain);
  frame_.resize(sealed.size() - seal_overhead_bytes);
  TRY(open_into(key, sealed, frame_));
  return decompressor_.decompress_into(frame_, plain);
}

Result<void> UnverifiedBlobs::commit() {
  Result<void> committed;
  for (auto& waiting : waiting_) {
    auto one = waiting.packer->commit(std::move(waiting.room));
    if (committed.has_value()) committed = std::move(one);
  }
  return committed;
}

void UnverifiedBlobs::abandon(const Error& error) {
  for (auto& waiting : waiting_) waiting.packer->abandon(std::move(waiting.room), error);
}

}  // namespace holdfast::repo
