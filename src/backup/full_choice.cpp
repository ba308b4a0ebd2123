#include "backup/full_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::backup {

namespace {

std::optional<WallTime> newer(std::optional<WallTime> left, WallTime right) {
  return left ? std::max(*left, right) : right;
}

bool is_continued(const oplog::Timeline& timeline, const oplog::BaseWindow& newest) {
  const auto& chains = timeline.chains();
  const auto windows = timeline.recoverable({newest});
  if (windows.empty()) return false;
  if (windows.front().chain != oplog::Recoverable::npos)
    return windows.front().chain + 1 == chains.size();
  // An exact base needs no oplog; what is recorded later does not touch it.
  return chains.empty() || chains.back().last().ts <= newest.last;
}

}  // namespace

FullHistory full_history(const catalog::MongoPoints& points,
                         const std::vector<repo::StoredSnapshot>& snapshots,
                         std::string_view dataset) {
  FullHistory history;
  for (const catalog::MongoBase& base : points.bases()) {
    if (!history.newest || base.window.last >= history.newest->last) history.newest = base.window;
    const repo::Snapshot& snapshot = base.stored.snapshot;
    if (!catalog::has_tag(snapshot, synthetic_tag))
      history.real_full = newer(history.real_full, repo::to_wall_time(snapshot.time));
  }
  if (history.newest) history.is_continued = is_continued(points.timeline(), *history.newest);
  const std::string ours = dataset::dataset_tag(dataset);
  for (const repo::StoredSnapshot& stored : snapshots) {
    const bool is_check =
        catalog::has_tag(stored.snapshot, ours) && catalog::has_tag(stored.snapshot, check_tag);
    if (is_check)
      history.failed_check = newer(history.failed_check, repo::to_wall_time(stored.snapshot.time));
  }
  return history;
}

FullDecision decide_full(const FullHistory& history, WallTime now, const FullPolicy& policy) {
  if (policy.is_forced) return {FullKind::real, "a full backup was asked for"};
  if (!history.newest) return {FullKind::real, "there is no base yet that tells its time"};
  if (!history.real_full)
    return {FullKind::real, "the repository has no base that was read from the server"};
  if (history.failed_check && *history.failed_check >= *history.real_full)
    return {FullKind::real,
            "a comparison with the server found a difference since the last full backup"};
  if (!history.is_continued)
    return {FullKind::real, "the recorded oplog does not go on from the newest base without a gap"};
  const auto days = [](Duration span) {
    return std::chrono::duration_cast<std::chrono::days>(span).count();
  };
  const Duration age = now - *history.real_full;
  if (age >= policy.real_full_age_max)
    return {FullKind::real, fmt::format("the last full backup from the server is {} days old; one "
                                        "is taken every {} days",
                                        days(age), days(policy.real_full_age_max))};
  return {FullKind::synthetic,
          fmt::format("the last full backup from the server is {} days old and the recorded oplog "
                      "goes on from the newest base",
                      days(age))};
}

}  // namespace holdfast::backup
