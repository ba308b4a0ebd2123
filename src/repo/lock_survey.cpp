#include "repo/lock_survey.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"

namespace holdfast::repo {
namespace {

constexpr std::string_view our_name = "holdfast";
constexpr std::string_view prune_command = "prune";
constexpr std::array unreadable_pauses{std::chrono::seconds(5), std::chrono::seconds(10),
                                       std::chrono::seconds(20)};

bool is_here(const LockFile& file, const Holder& self) {
  return !file.boot_id.empty() && file.boot_id == self.boot_id && file.pid_ns != 0 &&
         file.pid_ns == self.pid_namespace;
}

// Whichever of the two clocks makes the lock younger: the holder's or the store's.
Duration age_of(const ObservedLock& lock, WallTime now) {
  return now - std::max(to_wall_time(lock.file.time), lock.modified);
}

std::string_view command_of(std::string_view program) {
  const auto blank = program.rfind(' ');
  return blank == std::string_view::npos ? program : program.substr(blank + 1);
}

}  // namespace

bool ObservedLock::is_ours() const {
  return std::string_view(file.program).starts_with(our_name);
}

LockRole ObservedLock::role() const {
  if (file.kind == LockKind::shared) return LockRole::shared;
  const bool prunes = is_ours() && command_of(file.program) == prune_command;
  return prunes ? LockRole::prune : LockRole::exclusive;
}

WallTime ObservedLock::started() const {
  if (!file.started) return to_wall_time(file.time);
  return modified - (to_wall_time(file.time) - to_wall_time(*file.started));
}

std::string ObservedLock::describe() const {
  const std::string since = format_node_time(file.started.value_or(file.time));
  return fmt::format("{} of {}@{}, pid {}, since {}", is_ours() ? file.program : "a lock of restic",
                     file.username, file.hostname, file.pid, since);
}

LockState judge(const ObservedLock& lock, const LockFacts& facts, WallTime now) {
  const Duration age = age_of(lock, now);
  if (!lock.is_ours()) return age >= foreign_lock_dead_after ? LockState::dead : LockState::live;
  if (facts.is_here && !facts.runs) return LockState::dead;
  const bool is_plausible = age > -lock_dead_after && age < lock_dead_after;
  return is_plausible ? LockState::live : LockState::doubtful;
}

bool conflicts(LockRole mine, const ObservedLock& other) {
  const LockRole theirs = other.role();
  if (mine == LockRole::shared && theirs == LockRole::shared) return false;
  const bool side_by_side =
      other.is_ours() && mine != LockRole::exclusive && theirs != LockRole::exclusive;
  return !side_by_side || mine == theirs;  // prune beside shared goes, prune beside prune does not
}

Result<std::vector<LockSurvey::Seen>> LockSurvey::look(const std::optional<LockId>& mine) {
  std::vector<std::pair<LockId, store::ObjectInfo>> listed;
  const auto visit = [&](const LockId& id, const store::ObjectInfo& object) -> Result<void> {
    if (id == mine || object.bytes == 0) return {};
    if (listed.size() >= locks_max)
      return fail(ErrorCode::limit_exceeded, fmt::format("more than {} locks", locks_max));
    listed.emplace_back(id, object);
    return {};
  };
  TRY(list_ids<LockId>(repository_.store(), locks_prefix, visit));
  std::erase_if(first_seen_, [&](const auto& seen) {
    return std::ranges::none_of(listed, [&](const auto& lock) { return lock.first == seen.first; });
  });
  std::vector<Seen> found;
  for (const auto& [id, object] : listed) {
    auto lock = TRY(read(id, object));
    if (!lock) continue;
    const LockState state = judge_observed(*lock, repository_.context().clock.now());
    if (state == LockState::dead)
      TRY(remove_dead(*lock));
    else
      found.push_back({std::move(*lock), state});
  }
  return found;
}

LockState LockSurvey::judge_observed(const ObservedLock& lock, WallTime now) {
  LockFacts facts;
  facts.is_here = is_here(lock.file, options_.holder);
  if (facts.is_here)
    facts.runs = options_.is_running ? options_.is_running(lock.file)
                                     : is_running(lock.file.pid, lock.file.pid_started);
  const Duration monotonic = repository_.context().clock.monotonic();
  const Duration first = first_seen_.emplace(lock.id, monotonic).first->second;
  const LockState state = judge(lock, facts, now);
  if (state == LockState::doubtful && monotonic - first >= lock_dead_after) return LockState::dead;
  return state;
}

// Nothing when the lock went away, or was unreadable and so old that nobody can be behind it.
Result<std::optional<ObservedLock>> LockSurvey::read(const LockId& id,
                                                     const store::ObjectInfo& object) {
  Clock& clock = repository_.context().clock;
  for (std::size_t attempt = 0;; ++attempt) {
    auto json = repository_.load_unpacked(id);
    auto file =
        json.has_value() && !json->empty() ? decode_lock_file(*json) : Result<LockFile>(LockFile{});
    if (json.has_value() && json->empty()) return std::nullopt;
    if (json.has_value() && file.has_value())
      return ObservedLock{id, std::move(*file), object.modified};
    const Error& error = json.has_value() ? file.error() : json.error();
    if (error.code == ErrorCode::not_found) return std::nullopt;
    if (clock.now() - object.modified >= foreign_lock_dead_after) {
      repository_.context().log.warn(fmt::format("removing lock {}: it is old and unreadable: {}",
                                                 id.short_hex(), error.message));
      TRY(repository_.store().remove(object_name(id)));
      return std::nullopt;
    }
    if (attempt == unreadable_pauses.size()) return fail(error);
    clock.sleep_for(unreadable_pauses[attempt]);
    TRY(repository_.context().check_stop());
  }
}

Result<void> LockSurvey::remove_dead(const ObservedLock& lock) {
  const std::string message =
      fmt::format("removed a lock whose holder is gone: {}", lock.describe());
  TRY(repository_.store().remove(object_name(lock.id)));
  if (lock.is_ours())
    repository_.context().log.note(message);
  else
    repository_.context().log.warn(message);
  return {};
}

}  // namespace holdfast::repo
