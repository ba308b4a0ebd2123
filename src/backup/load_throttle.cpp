#include "backup/load_throttle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"

namespace holdfast::backup {

namespace {

constexpr Duration check_interval = std::chrono::seconds(2);
constexpr Duration pause_step = std::chrono::milliseconds(500);
// Unused rate is not saved up for longer than this.
constexpr Duration burst = std::chrono::milliseconds(100);

// globalLock.currentQueue.total
std::optional<std::int64_t> queue_in(bson::Document status) {
  bson::Document at = status;
  for (const auto* name : {"globalLock", "currentQueue"}) {
    const auto inner = at.find(name);
    if (!inner || inner->type != bson::Type::document) return std::nullopt;
    at = inner->as_document();
  }
  const auto total = at.find("total");
  return total ? total->as_integer() : std::nullopt;
}

}  // namespace

Result<void> LoadThrottle::take(std::uint64_t bytes) {
  TRY(context_.check_stop());
  TRY(keep_load());
  return keep_rate(bytes);
}

Result<void> LoadThrottle::wait(Duration span) const {
  while (span > Duration::zero()) {
    const Duration step = std::min(span, pause_step);
    context_.clock.sleep_for(step);
    TRY(context_.check_stop());
    span -= step;
  }
  return {};
}

Result<void> LoadThrottle::keep_rate(std::uint64_t bytes) {
  if (limits_.rate == 0) return {};
  const Duration cost(static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 /
                                                static_cast<double>(limits_.rate)));
  Duration pause{};
  {
    MutexLock lock(rate_mutex_);
    const Duration now = context_.clock.monotonic();
    free_at_ = std::max(free_at_, now - burst) + cost;
    pause = free_at_ - now;
  }
  return wait(pause);
}

// Whoever comes first asks; the others wait with it.
Result<void> LoadThrottle::keep_load() {
  if (limits_.queue_max == 0 && limits_.lag_max.count() == 0) return {};
  MutexLock lock(load_mutex_);
  Duration now = context_.clock.monotonic();
  if (now < check_at_) return {};
  const Duration give_up = now + limits_.pause_max;
  bool has_paused = false;
  while (true) {
    const auto reason = excess();
    now = context_.clock.monotonic();
    check_at_ = now + check_interval;
    if (!reason) return {};
    if (now >= give_up) {
      context_.log.warn(*reason + ": the backup has waited long enough and goes on");
      check_at_ = now + std::max<Duration>(limits_.pause_max, check_interval);
      return {};
    }
    if (!has_paused) context_.log.note(*reason + ": the backup pauses");
    has_paused = true;
    TRY(wait(pause_step));
  }
}

std::optional<std::string> LoadThrottle::excess() {
  if (limits_.queue_max > 0)
    if (auto reason = queue_excess()) return reason;
  return limits_.lag_max.count() > 0 ? lag_excess() : std::nullopt;
}

// A server that can not be asked is no reason to wait: reading from it will tell.
std::optional<std::string> LoadThrottle::queue_excess() {
  if (is_silent_) return std::nullopt;
  if (!connection_) {
    auto connection = deployment_.connect_to(member_);
    if (!connection.has_value()) return std::nullopt;
    connection_ = std::move(*connection);
  }
  bson::Builder command;
  command.append_int32("serverStatus", 1);
  const auto status = connection_->run("admin", command.finish());
  if (!status.has_value()) {
    connection_.reset();
    return std::nullopt;
  }
  const auto waiting = queue_in(status->body());
  if (!waiting) {
    is_silent_ = true;
    context_.log.warn("the server does not tell how much it has to do: the limit has no effect");
    return std::nullopt;
  }
  if (*waiting <= static_cast<std::int64_t>(limits_.queue_max)) return std::nullopt;
  return fmt::format("{} operations wait in the server's queues", *waiting);
}

std::optional<std::string> LoadThrottle::lag_excess() {
  const auto members = deployment_.members();
  if (!members.has_value()) return std::nullopt;
  std::uint32_t newest = 0;
  for (const auto& member : *members) newest = std::max(newest, member.last_write.seconds);
  for (const auto& member : *members) {
    if (!member.is_secondary || member.is_arbiter || member.last_write.seconds == 0) continue;
    const std::uint32_t lag = newest - member.last_write.seconds;
    if (lag > limits_.lag_max.count())
      return fmt::format("{} lags {} s behind", member.address, lag);
  }
  return std::nullopt;
}

}  // namespace holdfast::backup
