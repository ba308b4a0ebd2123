#include "repo/writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "repo/blob_reader.hpp"
#include "repo/index_recorder.hpp"
#include "repo/packer.hpp"
#include "repo/reused_blobs.hpp"
#include "repo/sealing.hpp"

namespace holdfast::repo {
namespace {

// Scratch buffers that one huge blob made larger are given back: chunks above this are rare.
constexpr std::size_t scratch_bytes_kept = std::size_t{4} << 20;
// Digests computed in one go by save_many.
constexpr std::size_t hash_batch_max = 64;

void trim(Bytes& scratch) {
  if (scratch.capacity() > scratch_bytes_kept) Bytes().swap(scratch);
}

// What one thread needs to store a blob.
struct Bench {
  explicit Bench(int level) : compressor(level) {}

  Compressor compressor;
  Decompressor decompressor;
  Bytes frame;
  Bytes plain;
};

// Benches are used by any thread, the one used last first: there are as many as callers at a time.
class BenchPool {
 public:
  explicit BenchPool(int level) : level_(level) {}

  std::unique_ptr<Bench> take() {
    MutexLock lock(mutex_);
    if (benches_.empty()) return std::make_unique<Bench>(level_);
    auto bench = std::move(benches_.back());
    benches_.pop_back();
    return bench;
  }
  void give_back(std::unique_ptr<Bench> bench) {
    trim(bench->frame);
    trim(bench->plain);
    MutexLock lock(mutex_);
    benches_.push_back(std::move(bench));
  }

 private:
  const int level_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Bench>> benches_ GUARDED_BY(mutex_);
};

}  // namespace

// A blob on its way: claimed by the first caller, until its pack is stored and its place is in the
// index. So that a blob is stored once, a claim comes between two looks at the index.
class Writer::Impl {
 public:
  Impl(const Repository& repository, const WriterOptions& options);

  Result<SavedBlob> save(const BlobHandle& handle, ByteView plain);
  Result<void> check_can_save(ByteView plain) const;
  Result<bool> reuse(const BlobHandle& handle);
  Result<WriterTotals> finish();
  WriterTotals totals() const;
  Result<SnapshotId> publish_snapshot(const Snapshot& snapshot);

 private:
  bool is_known(const BlobHandle& handle);
  bool claim(const BlobHandle& handle);
  void release(const BlobHandle& handle);
  Error remember(Error error);
  Result<void> check_not_failed() const;
  Result<std::uint32_t> store_blob(const BlobHandle& handle, ByteView plain, Bench& bench);
  Result<ByteView> compress(BlobType type, ByteView plain, Bench& bench) const;
  Result<void> verify(const PackedBlob& blob, ByteView sealed, Bench& bench) const;
  Result<void> pack_stored(const PackId& id, const std::vector<PackedBlob>& blobs);
  Packer::Stored on_stored();

  const Repository& repository_;
  const WriterOptions options_;
  BenchPool benches_;
  ReusedBlobs reused_;
  IndexRecorder recorder_;
  Packer data_packer_;
  Packer tree_packer_;

  mutable Mutex mutex_;
  std::unordered_set<BlobHandle, BlobHandleHash> claimed_ GUARDED_BY(mutex_);
  WriterTotals totals_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

Writer::Impl::Impl(const Repository& repository, const WriterOptions& options)
    : repository_(repository),
      options_(options),
      benches_(options.compression_level),
      reused_(repository),
      recorder_(repository),
      data_packer_(repository.context(), repository.store(), repository.key().master,
                   {BlobType::data, options.data_pack_bytes, options.data_packs_open}, on_stored()),
      tree_packer_(repository.context(), repository.store(), repository.key().master,
                   {BlobType::tree, options.tree_pack_bytes, 1}, on_stored()) {}

Packer::Stored Writer::Impl::on_stored() {
  return [this](const PackId& id, const std::vector<PackedBlob>& blobs) {
    return pack_stored(id, blobs);
  };
}

Result<void> Writer::Impl::check_can_save(ByteView plain) const {
  if (plain.size() > blob_plain_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("a blob of {} bytes", plain.size()));
  return repository_.context().check_stop();
}

bool Writer::Impl::is_known(const BlobHandle& handle) {
  const auto found = repository_.index().find_live(handle);
  if (!found) return false;
  if (found->position) reused_.mark(*found->position);
  return true;
}

bool Writer::Impl::claim(const BlobHandle& handle) {
  MutexLock lock(mutex_);
  return claimed_.insert(handle).second;
}

void Writer::Impl::release(const BlobHandle& handle) {
  MutexLock lock(mutex_);
  claimed_.erase(handle);
}

Result<SavedBlob> Writer::Impl::save(const BlobHandle& handle, ByteView plain) {
  SavedBlob saved{handle.id};
  TRY(check_not_failed());
  if (is_known(handle) || !claim(handle)) return saved;
  if (is_known(handle)) {  // its pack was stored between the two
    release(handle);
    return saved;
  }
  auto bench = benches_.take();
  auto stored = store_blob(handle, plain, *bench);
  benches_.give_back(std::move(bench));
  if (!stored.has_value()) return fail(remember(std::move(stored.error())));
  saved.was_new = true;
  saved.stored_bytes = *stored;
  MutexLock lock(mutex_);
  ++(handle.type == BlobType::data ? totals_.data_blobs : totals_.tree_blobs);
  totals_.plain_bytes += plain.size();
  totals_.stored_bytes += *stored;
  return saved;
}

// The claim stays: who asked for the same blob meanwhile was told that it is being stored, and must
// not come to a snapshot.
Error Writer::Impl::remember(Error error) {
  MutexLock lock(mutex_);
  if (!failure_) failure_ = error;
  return error;
}

Result<void> Writer::Impl::check_not_failed() const {
  MutexLock lock(mutex_);
  if (failure_) return fail(*failure_);
  return {};
}

// The bytes to seal. Trees are always compressed (A6: restic's prune rewrites those that are not).
Result<ByteView> Writer::Impl::compress(BlobType type, ByteView plain, Bench& bench) const {
  bench.frame.clear();
  if (plain.empty()) return plain;
  if (type == BlobType::tree) {
    TRY(bench.compressor.append_frame(plain, bench.frame));
    return ByteView(bench.frame);
  }
  const auto appended = TRY(bench.compressor.append_frame_if_worthwhile(plain, bench.frame));
  return appended ? ByteView(bench.frame) : plain;
}

Result<std::uint32_t> Writer::Impl::store_blob(const BlobHandle& handle, ByteView plain,
                                               Bench& bench) {
  const auto body = TRY(compress(handle.type, plain, bench));
  const bool is_compressed = body.data() != plain.data();
  PackedBlob blob;
  blob.id = handle.id;
  blob.type = handle.type;
  blob.length = static_cast<std::uint32_t>(body.size() + seal_overhead_bytes);
  blob.plain_length = is_compressed ? static_cast<std::uint32_t>(plain.size()) : 0;

  auto& packer = handle.type == BlobType::data ? data_packer_ : tree_packer_;
  auto room = TRY(packer.reserve(blob));
  auto sealed =
      seal_into(repository_.key().master, fresh_iv(repository_.context().rng), body, room.bytes());
  if (sealed.has_value() && options_.extra_verify == ExtraVerify::yes)
    sealed = verify(blob, room.bytes(), bench);
  if (!sealed.has_value()) {
    packer.abandon(std::move(room), sealed.error());
    return fail(std::move(sealed.error()));
  }
  TRY(packer.commit(std::move(room)));
  return blob.length;
}

Result<void> Writer::Impl::verify(const PackedBlob& blob, ByteView sealed, Bench& bench) const {
  const auto faulty = [&] {
    return fail(ErrorCode::corrupt,
                fmt::format("blob {} can not be read back from memory: faulty memory or processor",
                            blob.id.short_hex()));
  };
  bench.frame.resize(sealed.size() - seal_overhead_bytes);
  if (!open_into(repository_.key().master, sealed, bench.frame).has_value()) return faulty();
  ByteView plain = bench.frame;
  if (blob.is_compressed()) {
    bench.plain.resize(blob.plain_length);
    if (!bench.decompressor.decompress_into(bench.frame, bench.plain).has_value()) return faulty();
    plain = bench.plain;
  }
  if (sha256(plain) != blob.id.bytes) return faulty();
  return {};
}

// From here on the blobs are found in the index, so their claims can go.
Result<void> Writer::Impl::pack_stored(const PackId& id, const std::vector<PackedBlob>& blobs) {
  TRY(repository_.index().add_pack(id, blobs));
  {
    MutexLock lock(mutex_);
    ++totals_.packs;
    for (const auto& blob : blobs) claimed_.erase(blob.handle());
  }
  return recorder_.add(id, blobs);
}

Result<bool> Writer::Impl::reuse(const BlobHandle& handle) {
  if (is_known(handle)) return true;
  MutexLock lock(mutex_);
  return claimed_.contains(handle);
}

Result<WriterTotals> Writer::Impl::finish() {
  TRY(check_not_failed());
  TRY(data_packer_.flush());
  TRY(tree_packer_.flush());
  TRY(recorder_.finish());
  return totals();
}

WriterTotals Writer::Impl::totals() const {
  MutexLock lock(mutex_);
  return totals_;
}

Result<SnapshotId> Writer::Impl::publish_snapshot(const Snapshot& snapshot) {
  TRY(finish());
  TRY(reused_.secure(recorder_.files()));
  return repository_.publish_snapshot(snapshot);
}

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

Result<Writer> Writer::make(const Repository& repository, const WriterOptions& options) {
  if (repository.config().version != FormatVersion::v2)
    return fail(ErrorCode::unsupported,
                "this repository has format 1: it can be read, not written");
  auto bounded = options;
  bounded.data_packs_open = std::max<std::size_t>(2, options.data_packs_open);
  return Writer(std::make_unique<Impl>(repository, bounded));
}

Result<SavedBlob> Writer::save(BlobType type, ByteView plain) {
  TRY(impl_->check_can_save(plain));
  return impl_->save({type, BlobId{sha256(plain)}}, plain);
}

Result<void> Writer::save_many(BlobType type, std::span<const ByteView> plain,
                               std::span<SavedBlob> out) {
  std::array<Digest, hash_batch_max> digests;
  for (std::size_t begin = 0; begin < plain.size(); begin += hash_batch_max) {
    const auto batch = plain.subspan(begin, std::min(hash_batch_max, plain.size() - begin));
    sha256_many(batch, std::span(digests).first(batch.size()));
    for (std::size_t at = 0; at < batch.size(); ++at) {
      TRY(impl_->check_can_save(batch[at]));
      out[begin + at] = TRY(impl_->save({type, BlobId{digests[at]}}, batch[at]));
    }
  }
  return {};
}

Result<bool> Writer::reuse(const BlobHandle& handle) {
  return impl_->reuse(handle);
}
Result<WriterTotals> Writer::finish() {
  return impl_->finish();
}
WriterTotals Writer::totals() const {
  return impl_->totals();
}
Result<SnapshotId> Writer::publish_snapshot(const Snapshot& snapshot) {
  return impl_->publish_snapshot(snapshot);
}

}  // namespace holdfast::repo
