#include "repo/writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "repo/blob_reader.hpp"
#include "repo/index_recorder.hpp"
#include "repo/packer.hpp"
#include "repo/reused_blobs.hpp"
#include "repo/sealing.hpp"
#include "repo/unverified_blobs.hpp"

namespace holdfast::repo {
namespace {

// A buffer that one huge blob made larger is given back: chunks above this are rare.
constexpr std::size_t frame_bytes_kept = std::size_t{4} << 20;
// Blobs that are hashed in one go: so many, or until they have so many bytes.
constexpr std::size_t group_blobs_max = 64;
constexpr std::size_t group_bytes_min = std::size_t{4} << 20;

// How many of the first blobs make a group.
std::size_t group_size(std::span<const ByteView> plain) {
  std::size_t count = 0, bytes = 0;
  while (count < plain.size() && count < group_blobs_max && bytes < group_bytes_min)
    bytes += plain[count++].size();
  return count;
}

// What one thread needs to store blobs.
struct Bench {
  explicit Bench(int level) : compressor(level) {}

  Compressor compressor;
  Bytes frame;
  UnverifiedBlobs unverified;
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
    if (bench->frame.capacity() > frame_bytes_kept) Bytes().swap(bench->frame);
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

  Result<void> save_many(BlobType type, std::span<const ByteView> plain, std::span<SavedBlob> out);
  Result<bool> reuse(const BlobHandle& handle);
  Result<WriterTotals> finish();
  WriterTotals totals() const;
  Result<SnapshotId> publish_snapshot(const Snapshot& snapshot);

 private:
  Result<void> settle(Bench& bench, const NextBlobs& next = {});
  Result<void> save_with(Bench& bench, BlobType type, std::span<const ByteView> plain,
                         std::span<SavedBlob> out);
  Result<SavedBlob> save(const BlobHandle& handle, ByteView plain, Bench& bench);
  Result<void> check_can_save(ByteView plain) const;
  bool is_known(const BlobHandle& handle);
  bool claim(const BlobHandle& handle);
  void release(const BlobHandle& handle);
  Error remember(Error error);
  Result<void> check_not_failed() const;
  Result<std::uint32_t> store_blob(const BlobHandle& handle, ByteView plain, Bench& bench);
  static Result<ByteView> compress(BlobType type, ByteView plain, Bench& bench);
  Result<Packer::Room> reserve(Packer& packer, const PackedBlob& blob, Bench& bench);
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
  TRY(check_not_failed());
  if (options_.on_stop == OnStop::go_on) return {};
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

Result<void> Writer::Impl::save_many(BlobType type, std::span<const ByteView> plain,
                                     std::span<SavedBlob> out) {
  auto bench = benches_.take();
  auto saved = save_with(*bench, type, plain, out);
  // In any case: as long as a room is out, its pack can not be stored.
  auto settled = settle(*bench);
  benches_.give_back(std::move(bench));
  if (!settled.has_value()) return settled;
  return saved;
}

// While one group is verified, the ids of the next are computed.
Result<void> Writer::Impl::save_with(Bench& bench, BlobType type, std::span<const ByteView> plain,
                                     std::span<SavedBlob> out) {
  std::vector<Digest> digests(plain.size());
  const auto hash_group_at = [&](std::size_t begin) -> Result<std::size_t> {
    const auto count = group_size(plain.subspan(begin));
    TRY(settle(bench, {plain.subspan(begin, count), std::span(digests).subspan(begin, count)}));
    return begin + count;
  };
  std::size_t end = TRY(hash_group_at(0));
  for (std::size_t at = 0; at < plain.size(); ++at) {
    if (at == end) end = TRY(hash_group_at(at));
    const auto saved = TRY(save({type, BlobId{digests[at]}}, plain[at], bench));
    out[at] = saved;
  }
  return {};
}

Result<void> Writer::Impl::settle(Bench& bench, const NextBlobs& next) {
  auto settled = bench.unverified.settle(repository_.key().master, data_packer_, next);
  if (!settled.has_value()) return fail(remember(std::move(settled.error())));
  return {};
}

Result<SavedBlob> Writer::Impl::save(const BlobHandle& handle, ByteView plain, Bench& bench) {
  SavedBlob saved{handle.id};
  TRY(check_can_save(plain));
  if (is_known(handle) || !claim(handle)) return saved;
  if (is_known(handle)) {  // its pack was stored between the two
    release(handle);
    return saved;
  }
  auto stored = store_blob(handle, plain, bench);
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
Result<ByteView> Writer::Impl::compress(BlobType type, ByteView plain, Bench& bench) {
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
  auto room = TRY(reserve(packer, blob, bench));
  auto sealed =
      seal_into(repository_.key().master, fresh_iv(repository_.context().rng), body, room.bytes());
  if (!sealed.has_value()) {
    packer.abandon(std::move(room), sealed.error());
    return fail(std::move(sealed.error()));
  }
  if (options_.extra_verify == ExtraVerify::no) {
    TRY(packer.commit(std::move(room)));
    return blob.length;
  }
  bench.unverified.add(packer, std::move(room), blob);
  return blob.length;
}

// Rooms of blobs that wait for verification are given up before anything that may wait for them.
Result<Packer::Room> Writer::Impl::reserve(Packer& packer, const PackedBlob& blob, Bench& bench) {
  auto room = TRY(packer.try_reserve(blob));
  if (room) return std::move(*room);
  TRY(settle(bench));
  return packer.reserve(blob);
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
  {
    MutexLock lock(mutex_);
    if (claimed_.contains(handle)) return true;
  }
  return is_known(handle);  // its pack may have been stored between the two
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
  const auto published = TRY(repository_.publish_snapshot(snapshot));
  // A prune may have marked packs between the look and the publishing. Our lock keeps it from
  // deleting them, so that there is still time to bring them back.
  const auto secured = reused_.secure(recorder_.files());
  if (!secured.has_value())
    repository_.context().log.warn("the snapshot is stored, but packs it needs may be marked for " +
                                   ("deletion: " + describe(secured.error())));
  return published;
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
  SavedBlob saved;
  TRY(impl_->save_many(type, std::span(&plain, 1), std::span(&saved, 1)));
  return saved;
}

Result<void> Writer::save_many(BlobType type, std::span<const ByteView> plain,
                               std::span<SavedBlob> out) {
  return impl_->save_many(type, plain, out);
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
