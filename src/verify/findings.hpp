#pragma once
// Collects findings from many threads, and remembers which copies of which blobs they cost.
#include <map>
#include <set>
#include <unordered_map>

#include "base/mutex.hpp"
#include "repo/repository.hpp"
#include "verify/report.hpp"

namespace holdfast::verify {

// Damaged copies remembered for finding what they affect.
constexpr std::size_t damaged_copies_max = 1'000'000;

// Thread-safe.
class Findings {
 public:
  // The number of the finding; one with the same kind, object and offset is added once. Nothing
  // when it was not kept.
  std::optional<std::size_t> add(Finding finding);

  void add_damaged_copy(const repo::BlobHandle& blob, const repo::PackId& pack, Finding finding);
  void add_lost_pack(const repo::PackId& pack, Finding finding);
  // In no index. With an unreadable index file that is its fault, else a finding of its own.
  void add_missing(const repo::BlobHandle& blob);
  void blame_missing_on(std::size_t finding);

  bool has_damage() const;
  // The findings that made the blob unreadable; empty when a copy of it is intact.
  std::vector<std::size_t> lost_because(const repo::BlobHandle& blob,
                                        const repo::Index& index) const;
  // What a finding costs.
  void affects(std::size_t finding, const repo::SnapshotId& snapshot, const std::string& path);

  // Moves everything out, sorted by object and offset.
  void move_to(Report& report);

 private:
  using Key = std::tuple<FindingKind, std::string, std::uint64_t>;
  struct DamagedCopy {
    repo::PackId pack;
    std::size_t finding = 0;
  };
  std::optional<std::size_t> add_locked(Finding finding) REQUIRES_LOCK(mutex_);

  mutable Mutex mutex_;
  std::vector<Finding> findings_ GUARDED_BY(mutex_);
  std::vector<std::set<std::string>> paths_ GUARDED_BY(mutex_);  // of each finding
  std::uint64_t not_kept_ GUARDED_BY(mutex_) = 0;
  std::map<Key, std::size_t> numbers_ GUARDED_BY(mutex_);
  std::unordered_multimap<repo::BlobHandle, DamagedCopy, repo::BlobHandleHash> copies_
      GUARDED_BY(mutex_);
  std::unordered_map<repo::PackId, std::size_t> lost_packs_ GUARDED_BY(mutex_);
  std::unordered_map<repo::BlobHandle, std::size_t, repo::BlobHandleHash> missing_
      GUARDED_BY(mutex_);
  std::optional<std::size_t> blamed_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::verify
