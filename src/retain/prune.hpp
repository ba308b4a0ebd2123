#pragma once
// Removes snapshots that the policy does not keep, and the bytes that nothing needs then, while
// writers go on (docs/repository_format.md A13, A14).
//
//   list packs -> who else is at work? -> list snapshots -> load the index -> what is needed
//   -> plan (printed by a dry run) -> remove snapshots -> remove left-over packs
//   -> move needed blobs out of packs that go -> mark those packs in the index
//   -> who else is at work? -> new snapshots? bring back what they need -> delete marked packs
//
// Why that is safe. A backup of ours that started before a mark holds a lock from before it: marked
// packs then stay, and before it publishes it brings back what it uses. One that started after the
// mark does not use marked packs. One that published between our listing of snapshots and the mark
// is found when snapshots are listed again. Backups of restic know no marks: while one is at work
// nothing is marked, and to restic our lock is exclusive. A pack in no index is one that somebody
// is writing, or a left-over: packs are listed first and the index last, so that with nobody at
// work in between it is the latter.
#include "repo/lock.hpp"
#include "retain/prune_plan.hpp"

namespace holdfast::retain {

// Locks that began this long after a mark count as from before it: clocks are not that exact.
constexpr std::chrono::minutes mark_clock_slack{10};
// Marks are dated ahead while the index is rewritten; a rewrite that takes longer stops.
constexpr std::chrono::hours index_rewrite_max{1};

struct PrunePlan {
  std::vector<Decision> snapshots;
  PackDecisions packs;
  std::vector<std::string> others;  // who else is at work
  bool restic_at_work = false;      // then only snapshots are removed
};

struct PruneResult {
  PrunePlan plan;
  std::uint64_t snapshots_removed = 0;
  std::uint64_t packs_removed = 0;
  std::uint64_t bytes_removed = 0;
  std::uint64_t packs_marked = 0;  // still there, to be deleted by a later run
  std::uint64_t bytes_marked = 0;
  std::uint64_t packs_brought_back = 0;
  std::uint64_t blobs_moved = 0;
  std::uint64_t bytes_moved = 0;
};

// A prune lock, or, when only restic's locks are in the way, a shared one: then prune() removes
// snapshots and nothing else. Errors: locked.
Result<repo::Lock> take_prune_lock(const repo::Repository& repository, repo::LockOptions options);

// Both need a lock of take_prune_lock that is held. They load the index anew. Errors: refused (the
// policy would remove every snapshot of a group), corrupt (something needed is missing or damaged:
// nothing was deleted), locked (the lock was lost), interrupted, those of the store. After any
// error, and a crash at any moment, the repository is whole and the next run goes on.
Result<PrunePlan> plan_prune(repo::Repository& repository, const repo::Lock& lock,
                             const PruneOptions& options);
Result<PruneResult> prune(repo::Repository& repository, const repo::Lock& lock,
                          const PruneOptions& options);

}  // namespace holdfast::retain
