#pragma once
// The index in memory: in which packs a blob is (docs/repository_format.md A7).
//
// Blobs stand in runs, files of fixed-size records sorted by id and mapped into memory (see
// index_run.hpp): 24 bytes a blob are searched in memory, and the other 24 bytes of its id are read
// only when the first eight match. What the repository's index files said at loading is one such
// run (a cache file, see index_cache.hpp, or a temporary one); blobs of packs stored since then
// collect in a small table that becomes a run of its own when it is full.
#include <atomic>
#include <memory>
#include <unordered_map>

#include "base/mutex.hpp"
#include "repo/index_image.hpp"

namespace holdfast::repo {

// New blobs kept in the hash table (about 100 bytes each) before they become a sorted run.
constexpr std::size_t index_delta_blobs_max = 32768;

struct BlobHandleHash {
  std::size_t operator()(const BlobHandle& handle) const {
    return load_le<std::uint64_t>(handle.id.bytes.data()) ^ static_cast<std::size_t>(handle.type);
  }
};

struct PackEntry {
  PackId id;
  PackState state = PackState::live;
};

// Thread-safe. Positions 0..loaded_count()-1 number what was loaded, in the order of (id, pack);
// they never change, so that prune and the writer can keep a bit a blob.
class Index {
 public:
  // New runs are temporary files without a name in `scratch`.
  Index(LoadedIndex loaded, std::filesystem::path scratch);
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  // Whether a live pack has it: whether a backup need not store it.
  bool contains(const BlobHandle& handle) const { return find_live(handle).has_value(); }

  // Some copy in a live pack, with its position when it was loaded (none for new blobs).
  struct LiveBlob {
    IndexedBlob blob;
    std::optional<std::uint64_t> position;
  };
  std::optional<LiveBlob> find_live(const BlobHandle& handle) const;

  // All copies: those in live packs first, then those in packs marked for deletion.
  std::vector<IndexedBlob> find_all(const BlobHandle& handle) const;

  std::uint64_t loaded_count() const { return loaded_.run.size(); }
  // Meant for reading in order. REQUIRES: position < loaded_count().
  IndexedBlob at(std::uint64_t position) const;
  // Where the loaded copies of a blob stand, marked ones included; count 0: there are none.
  using PositionRange = IndexRun::Range;
  PositionRange positions_of(const BlobHandle& handle) const { return loaded_.run.find(handle); }

  // Packs are numbered: loaded ones first, then added ones.
  std::uint32_t loaded_pack_count() const;
  std::uint32_t pack_count() const;
  // A number that no pack has (a damaged cache) gives the null id, which no store holds.
  PackEntry pack(std::uint32_t number) const;

  // Which index files the loaded part came from, sorted.
  std::span<const IndexId> index_files() const { return loaded_.index_files; }

  // A pack that this run stored: its blobs can be found from now on.
  Result<void> add_pack(const PackId& id, const std::vector<PackedBlob>& blobs);

  // Every blob added since loading, in no order. Not while packs are being added.
  Result<void> visit_added(const std::function<Result<void>(const IndexedBlob&)>& visit) const;

 private:
  using Runs = std::vector<std::shared_ptr<const MappedRun>>;
  Result<void> flush_delta() REQUIRES_LOCK(mutex_);
  std::shared_ptr<const Runs> added_runs() const;
  bool is_live(const IndexedBlob& blob) const;

  const LoadedIndex loaded_;
  mutable std::atomic<std::uint64_t> rows_read_{0};
  const std::filesystem::path scratch_;
  mutable Mutex mutex_;
  // Each run is more than twice as long as the next one, so there are few.
  std::shared_ptr<const Runs> added_runs_ GUARDED_BY(mutex_);
  std::unordered_map<BlobHandle, IndexedBlob, BlobHandleHash> delta_ GUARDED_BY(mutex_);
  std::vector<PackId> added_packs_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::repo
