#pragma once
// So that a backup is not noticed: at most so many bytes a second, and pauses while the server has
// enough to do without us.
#include <optional>

#include "base/context.hpp"
#include "base/mutex.hpp"
#include "mongo/deployment.hpp"

namespace holdfast::backup {

// 0: no limit.
struct LoadLimits {
  std::uint64_t rate = 0;           // bytes a second
  std::uint32_t queue_max = 0;      // operations waiting for a lock (serverStatus)
  std::chrono::seconds lag_max{0};  // of the slowest secondary behind the primary
  std::chrono::seconds pause_max{60};
};

// Thread-safe. What it refers to must outlive it.
class LoadThrottle {
 public:
  LoadThrottle(Context& context, mongo::Deployment& deployment, const mongo::MemberFacts& member,
               const LoadLimits& limits)
      : context_(context), deployment_(deployment), member_(member), limits_(limits) {}

  // Before going on after having read so many bytes. Waits as long as is needed, at most pause_max
  // for a busy server. Errors: interrupted.
  Result<void> take(std::uint64_t bytes);

 private:
  Result<void> keep_rate(std::uint64_t bytes);
  Result<void> keep_load();
  std::optional<std::string> excess() REQUIRES_LOCK(load_mutex_);
  std::optional<std::string> queue_excess() REQUIRES_LOCK(load_mutex_);
  std::optional<std::string> lag_excess();
  Result<void> wait(Duration span) const;

  Context& context_;
  mongo::Deployment& deployment_;
  mongo::MemberFacts member_;
  const LoadLimits limits_;
  Mutex rate_mutex_;
  Duration free_at_ GUARDED_BY(rate_mutex_){};
  Mutex load_mutex_;
  Duration check_at_ GUARDED_BY(load_mutex_){};
  std::optional<mongo::Connection> connection_ GUARDED_BY(load_mutex_);
  bool is_silent_ GUARDED_BY(load_mutex_) = false;  // the server does not tell its queues
};

}  // namespace holdfast::backup
