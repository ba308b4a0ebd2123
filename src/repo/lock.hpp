#pragma once
// A lease on a repository: held while a command runs, renewed by a heartbeat, gone soon after its
// holder is (docs/repository_format.md A11).
//
// In the store it is a restic lock file, so restic honours it. Ours carry more fields, which tell
// whether the holder still runs. Rules:
//  - restic's rule between its locks and ours: exclusive conflicts with all, shared with exclusive.
//  - Among ours, `prune` conflicts only with prune and exclusive: writers go on beside it. To
//    restic it is exclusive, because restic's writers do not know what a marked pack is.
//  - A lock of ours is dead at once when its process is (same boot, same pid namespace), and else
//    when it was seen unchanged for lock_dead_after of our own monotonic time. Clocks of other
//    machines are not trusted: an old or impossible time only starts the observation.
//  - A lock of restic is dead when nobody renewed it for foreign_lock_dead_after.
//  - Dead locks are removed with a message. Files of no bytes (broken uploads) are ignored.
#include <functional>
#include <map>
#include <memory>

#include "repo/holder.hpp"
#include "repo/lock_file.hpp"
#include "repo/repository.hpp"

namespace holdfast::repo {

constexpr std::chrono::seconds lock_renewal_interval{30};
constexpr std::chrono::seconds lock_retry_interval{5};  // after a renewal that failed
constexpr std::chrono::seconds lock_dead_after{90};
// The holder stops trusting its own lock this long after the last renewal: before others do.
constexpr std::chrono::seconds lock_held_max{75};
constexpr std::chrono::minutes foreign_lock_dead_after{30};
// Between writing a lock and looking whether somebody else wrote one at the same time.
constexpr std::chrono::milliseconds lock_settling_time{200};
constexpr std::size_t locks_max = 10'000;

// How a command works with the repository. restic sees prune and exclusive as exclusive.
enum class LockRole : std::uint8_t { shared, prune, exclusive };

struct LockOptions {
  LockRole role = LockRole::shared;
  std::string program;  // "holdfast 0.1.0 backup": who is told to others
  Duration wait{};      // how long to try while somebody else holds a conflicting lock
  // thread: renewed by a thread of its own. manual: by calling renew(), for tests.
  enum class Heartbeat : std::uint8_t { thread, manual } heartbeat = Heartbeat::thread;
  Holder holder = this_process();
  std::function<bool(const LockFile&)> is_running;  // empty: asks this machine
};

// A lock as another process sees it.
struct ObservedLock {
  LockId id;
  LockFile file;
  WallTime modified{};  // by the clock of the store
  bool is_ours() const;
  LockRole role() const;
  // When it was first taken, by the clock of the store, as far as it is known.
  WallTime started() const;
  std::string describe() const;  // "backup of root@shop, pid 4711, since 2026-11-25T17:00:00Z"
};

// Movable; releases in the destructor. The repository must outlive it and stay where it is; while
// the lock is there, the repository writes index files and snapshots only as long as it is held.
// Thread-safe.
class Lock {
 public:
  // Errors: locked (names the holder); corrupt or malformed for a lock that can not be read and is
  // not old; those of the store.
  static Result<Lock> take(const Repository& repository, LockOptions options);
  Lock(Lock&&) noexcept;
  Lock& operator=(Lock&&) noexcept;
  ~Lock();

  // False once the lock may have been taken over.
  bool still_held() const;
  // Renews a late lock first; `locked` when it was taken over.
  Result<void> check_held() const;
  LockId id() const;
  LockRole role() const;

  // One heartbeat: a new lock file, then the old one goes. Errors: locked when ours was removed.
  Result<void> renew();
  Result<void> release();  // the destructor does it too, but only warns

  // Everybody else who may be alive, dead ones removed. For prune, which must know before it
  // deletes.
  Result<std::vector<ObservedLock>> others() const;

  // The store's clock minus ours, from the times of our own lock file.
  Duration store_clock_ahead() const;

 private:
  class Impl;
  explicit Lock(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::repo
