#pragma once
// Writes the index files of one run: packs are collected as they are stored, and every so often,
// behind a barrier, they get an index file, so that a killed run's packs are found by the next
// (docs/repository_format.md A7, A13).
#include "repo/repository.hpp"

namespace holdfast::repo {

// When packs stored so far get an index file although the run goes on; whichever comes first.
constexpr std::size_t checkpoint_blobs = 50000;
constexpr std::size_t checkpoint_json_bytes = std::size_t{4} << 20;
constexpr std::uint64_t checkpoint_pack_bytes = std::uint64_t{4} << 30;
constexpr std::chrono::minutes checkpoint_interval{2};

// Thread-safe. The repository must outlive it.
class IndexRecorder {
 public:
  explicit IndexRecorder(const Repository& repository);

  // A pack that was put. Writes an index file when one is due; it is durable then.
  Result<void> add(const PackId& id, const std::vector<PackedBlob>& blobs);
  // Writes the rest. Everything put before and the index are durable when this returns.
  Result<void> finish();
  // Index files written so far.
  std::vector<IndexId> files() const;

 private:
  bool is_due() const REQUIRES_LOCK(mutex_);
  Bytes take_json() REQUIRES_LOCK(mutex_);
  Result<void> write(ByteView json);

  const Repository& repository_;
  mutable Mutex mutex_;
  IndexEncoder encoder_ GUARDED_BY(mutex_);
  std::uint64_t pack_bytes_ GUARDED_BY(mutex_) = 0;  // in packs not yet in an index file
  Duration last_write_ GUARDED_BY(mutex_){};         // monotonic
  std::vector<IndexId> files_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::repo
