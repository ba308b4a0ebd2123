#include "repo/lock.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/task_group.hpp"
#include "repo/layout.hpp"
#include "repo/lock_survey.hpp"

namespace holdfast::repo {
namespace {

constexpr std::chrono::seconds wait_first{5};
constexpr std::chrono::seconds wait_max{60};
constexpr std::chrono::seconds observation_step{5};
constexpr std::chrono::seconds thread_tick{1};  // of real time, between looks at the clock

tl::unexpected<Error> locked_by(const ObservedLock& other) {
  return fail(ErrorCode::locked, "the repository is locked: " + other.describe());
}

LockFile describe_holder(const LockOptions& options, WallTime now) {
  const Holder& holder = options.holder;
  LockFile file;
  file.time = make_node_time(now);
  file.kind = options.role == LockRole::shared ? LockKind::shared : LockKind::exclusive;
  file.hostname = holder.hostname;
  file.username = holder.username;
  file.pid = holder.pid;
  file.uid = holder.uid;
  file.gid = holder.gid;
  file.program = options.program;
  file.boot_id = holder.boot_id;
  file.pid_ns = holder.pid_namespace;
  file.pid_started = holder.pid_started;
  file.started = file.time;
  return file;
}

}  // namespace

class Lock::Impl {
 public:
  Impl(const Repository& repository, LockOptions options)
      : repository_(repository),
        options_(std::move(options)),
        context_(repository.context()),
        survey_(repository_, options_) {}
  ~Impl() {
    const auto released = release();
    if (!released.has_value())
      context_.log.warn("the lock stays behind: " + holdfast::describe(released.error()));
  }

  Result<void> take();
  void start_heartbeat();
  void guard_writes();
  bool still_held() const;
  Result<void> check_held();
  Result<void> renew();
  Result<void> release();
  Result<std::vector<ObservedLock>> others();
  LockId id() const {
    MutexLock lock(mutex_);
    return id_.value_or(LockId{});
  }
  LockRole role() const { return options_.role; }
  Duration store_clock_ahead() const {
    MutexLock lock(mutex_);
    return store_clock_ahead_;
  }

 private:
  Result<void> try_to_take();
  Result<std::optional<ObservedLock>> find_conflict(const std::optional<LockId>& mine);
  Result<void> write();
  Result<void> give_up_if_gone(const LockId& mine);
  Result<void> beat(std::stop_token stop, Duration next);
  bool is_late() const REQUIRES_LOCK(mutex_);

  const Repository& repository_;
  const LockOptions options_;
  Context& context_;
  Mutex survey_mutex_;
  LockSurvey survey_ GUARDED_BY(survey_mutex_);
  Mutex renewal_mutex_;  // one renewal at a time
  mutable Mutex mutex_;
  LockFile file_ GUARDED_BY(mutex_);
  std::optional<LockId> id_ GUARDED_BY(mutex_);
  Duration renewed_ GUARDED_BY(mutex_){};       // by the monotonic clock, which stops in suspend
  WallTime renewed_wall_ GUARDED_BY(mutex_){};  // by the other, which does not
  Duration store_clock_ahead_ GUARDED_BY(mutex_){};
  bool lost_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  CondVar wake_;
  TaskGroup heartbeat_;
  std::shared_ptr<const Repository::MayWrite> write_guard_;
};

// Tries until the conflicting locks are gone or options_.wait is over.
Result<void> Lock::Impl::take() {
  const Duration deadline = context_.clock.monotonic() + options_.wait;
  for (Duration pause = wait_first;; pause = std::min<Duration>(pause * 2, wait_max)) {
    auto taken = try_to_take();
    if (taken.has_value() || taken.error().code != ErrorCode::locked) return taken;
    const Duration left = deadline - context_.clock.monotonic();
    if (left <= Duration::zero()) return taken;
    context_.log.note(fmt::format("waiting: {}", taken.error().message));
    context_.clock.sleep_for(std::min(pause, left));
    TRY(context_.check_stop());
  }
}

Result<void> Lock::Impl::try_to_take() {
  auto conflict = TRY(find_conflict({}));
  if (conflict) return locked_by(*conflict);
  {
    MutexLock lock(mutex_);
    file_ = describe_holder(options_, context_.clock.now());
    lost_ = false;
  }
  TRY(write());
  context_.clock.sleep_for(lock_settling_time + repository_.store().listing_lag());
  auto newcomer = find_conflict(id());
  if (newcomer.has_value() && !*newcomer) return {};
  TRY(release());
  if (!newcomer.has_value()) return fail(newcomer.error());
  return locked_by(**newcomer);
}

// A doubtful lock is watched until it changes, vanishes or has been still for long enough.
Result<std::optional<ObservedLock>> Lock::Impl::find_conflict(const std::optional<LockId>& mine) {
  MutexLock lock(survey_mutex_);
  while (true) {
    const auto seen = TRY(survey_.look(mine));
    std::optional<ObservedLock> doubtful;
    for (const auto& other : seen) {
      if (!conflicts(options_.role, other.lock)) continue;
      if (other.state == LockState::live || mine) return other.lock;
      doubtful = other.lock;
    }
    if (!doubtful) return std::nullopt;
    context_.log.note("watching whether its holder is alive: " + doubtful->describe());
    context_.clock.sleep_for(observation_step);
    TRY(context_.check_stop());
  }
}

Result<void> Lock::Impl::write() {
  LockFile file;
  {
    MutexLock lock(mutex_);
    file_.time = make_node_time(context_.clock.now());
    file = file_;
  }
  const Duration before = context_.clock.monotonic();
  const LockId written = TRY(repository_.save_lock(encode_lock_file(file)));
  const auto stored = repository_.store().stat(object_name(written));
  MutexLock lock(mutex_);
  id_ = written;
  renewed_ = before;  // others may have seen it from then on
  renewed_wall_ = to_wall_time(file.time);
  if (stored.has_value()) store_clock_ahead_ = stored->modified - context_.clock.now();
  return {};
}

bool Lock::Impl::is_late() const {
  const Duration by_wall = context_.clock.now() - renewed_wall_;
  return context_.clock.monotonic() - renewed_ >= lock_held_max || by_wall >= lock_held_max;
}

bool Lock::Impl::still_held() const {
  MutexLock lock(mutex_);
  return id_ && !lost_ && !is_late();
}

Result<void> Lock::Impl::give_up_if_gone(const LockId& mine) {
  const auto found = repository_.store().stat(object_name(mine));
  if (found.has_value()) return {};
  if (found.error().code != ErrorCode::not_found) return fail(found.error());
  MutexLock lock(mutex_);
  lost_ = true;
  return fail(ErrorCode::locked,
              fmt::format("our lock {} was removed by somebody else", mine.short_hex()));
}

Result<void> Lock::Impl::renew() {
  MutexLock one_at_a_time(renewal_mutex_);
  std::optional<LockId> old;
  bool late = false;
  {
    MutexLock lock(mutex_);
    if (!id_ || lost_) return fail(ErrorCode::locked, "the lock is not held any more");
    old = id_;
    late = is_late();
  }
  TRY(give_up_if_gone(*old));
  TRY(write());
  if (late) {
    // Others may have judged us dead just now: whoever did removes the lock it saw, the old one.
    context_.clock.sleep_for(lock_settling_time);
    auto still_there = give_up_if_gone(*old);
    if (!still_there.has_value()) {
      TRY(repository_.store().remove(object_name(id())));
      return still_there;
    }
  }
  return repository_.store().remove(object_name(*old));
}

void Lock::Impl::start_heartbeat() {
  if (options_.heartbeat == LockOptions::Heartbeat::manual) return;
  const Duration next = context_.clock.monotonic() + lock_renewal_interval;
  heartbeat_.start([this, next](std::stop_token stop) { return beat(std::move(stop), next); });
}

// After a suspend the heartbeat is late: whoever wants to write does not wait for it.
Result<void> Lock::Impl::check_held() {
  if (still_held()) return {};
  return renew().while_doing("renewing a lock that others may have taken over");
}

void Lock::Impl::guard_writes() {
  write_guard_ = repository_.guard_writes([this] { return check_held(); });
}

Result<void> Lock::Impl::beat(std::stop_token stop, Duration next) {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) wake_.wait_for(mutex_, thread_tick);
      if (stopping_ || stop.stop_requested() || lost_) return {};
    }
    if (context_.clock.monotonic() < next) continue;
    const auto renewed = renew();
    if (!renewed.has_value())
      context_.log.warn("could not renew the lock: " + holdfast::describe(renewed.error()));
    next = context_.clock.monotonic() +
           (renewed.has_value() ? lock_renewal_interval : lock_retry_interval);
  }
}

Result<void> Lock::Impl::release() {
  write_guard_.reset();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  TRY(heartbeat_.wait());
  std::optional<LockId> mine;
  {
    MutexLock lock(mutex_);
    mine.swap(id_);
    stopping_ = false;
  }
  if (!mine) return {};
  return repository_.store().remove(object_name(*mine));
}

Result<std::vector<ObservedLock>> Lock::Impl::others() {
  MutexLock not_between_two_files(renewal_mutex_);
  MutexLock lock(survey_mutex_);
  auto seen = TRY(survey_.look(id()));
  std::vector<ObservedLock> locks;
  for (auto& other : seen) locks.push_back(std::move(other.lock));
  return locks;
}

Lock::Lock(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Lock::Lock(Lock&&) noexcept = default;
Lock& Lock::operator=(Lock&&) noexcept = default;
Lock::~Lock() = default;

Result<Lock> Lock::take(const Repository& repository, LockOptions options) {
  auto impl = std::make_unique<Impl>(repository, std::move(options));
  TRY(impl->take());
  impl->guard_writes();
  impl->start_heartbeat();
  return Lock(std::move(impl));
}

bool Lock::still_held() const {
  return impl_->still_held();
}
Result<void> Lock::check_held() const {
  return impl_->check_held();
}
LockId Lock::id() const {
  return impl_->id();
}
LockRole Lock::role() const {
  return impl_->role();
}
Result<void> Lock::renew() {
  return impl_->renew();
}
Result<void> Lock::release() {
  return impl_->release();
}
Result<std::vector<ObservedLock>> Lock::others() const {
  return impl_->others();
}
Duration Lock::store_clock_ahead() const {
  return impl_->store_clock_ahead();
}

}  // namespace holdfast::repo
