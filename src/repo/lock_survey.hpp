#pragma once
// Looks at the locks of a repository and judges each: the reading half of lock.hpp.
#include "repo/lock.hpp"

namespace holdfast::repo {

// dead: may be removed. doubtful: its time looks wrong; dead if it stays as it is for a while.
enum class LockState : std::uint8_t { live, doubtful, dead };

// Pure. `is_here`: the holder's process numbers mean something on this machine; `runs`: it runs.
struct LockFacts {
  bool is_here = false;
  bool runs = true;
};
LockState judge(const ObservedLock& lock, const LockFacts& facts, WallTime now);
bool conflicts(LockRole mine, const ObservedLock& other);

// Keeps in mind how long it has seen each lock unchanged. One thread.
class LockSurvey {
 public:
  LockSurvey(const Repository& repository, const LockOptions& options)
      : repository_(repository), options_(options) {}

  struct Seen {
    ObservedLock lock;
    LockState state = LockState::live;  // never dead
  };
  // All but `mine`, after removing the dead ones.
  Result<std::vector<Seen>> look(const std::optional<LockId>& mine);

 private:
  Result<std::optional<ObservedLock>> read(const LockId& id, const store::ObjectInfo& object);
  LockState judge_observed(const ObservedLock& lock, WallTime now);
  Result<void> remove_dead(const ObservedLock& lock);

  const Repository& repository_;
  const LockOptions& options_;
  std::map<LockId, Duration> first_seen_;  // by our monotonic clock
};

}  // namespace holdfast::repo
