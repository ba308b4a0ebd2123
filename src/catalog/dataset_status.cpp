#include "catalog/dataset_status.hpp"

#include <algorithm>

#include "repo/node_time.hpp"

namespace holdfast::catalog {

namespace {

std::chrono::seconds between(oplog::Timestamp from, oplog::Timestamp to) {
  return std::chrono::seconds(std::int64_t{to.seconds} - std::int64_t{from.seconds});
}

// The moments of the chain that reaches furthest, from the oldest base that it serves on.
std::optional<oplog::Recoverable> newest_window(const std::vector<oplog::Recoverable>& windows) {
  const auto newest =
      std::max_element(windows.begin(), windows.end(),
                       [](const auto& left, const auto& right) { return left.to < right.to; });
  if (newest == windows.end()) return std::nullopt;
  oplog::Recoverable window = *newest;
  if (window.chain == oplog::Recoverable::npos) return window;
  for (const oplog::Recoverable& other : windows)
    if (other.chain == window.chain && other.from < window.from) window = other;
  return window;
}

}  // namespace

DatasetStatus status_of(const oplog::Timeline& timeline,
                        const std::vector<oplog::BaseWindow>& bases, WallTime now,
                        const std::optional<ServerOplog>& server) {
  DatasetStatus status;
  status.base_count = bases.size();
  for (const oplog::BaseWindow& base : bases)
    status.newest_base = std::max(status.newest_base.value_or(base.last), base.last);
  const auto& chains = timeline.chains();
  for (std::size_t at = 0; at < chains.size(); ++at) {
    status.segment_count += chains[at].segments.size();
    if (at > 0) status.gaps.push_back({chains[at - 1].last().ts, chains[at].first().ts});
  }
  status.window = newest_window(timeline.recoverable(bases));
  if (status.window) {
    const bool is_complete = server && server->newest <= status.window->to;
    const auto age = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()) -
                     std::chrono::seconds(status.window->to.seconds);
    status.recovery_point_age =
        is_complete ? std::chrono::seconds(0) : std::max(age, std::chrono::seconds(0));
  }
  if (!server) return status;
  status.server_window = between(server->oldest, server->newest);
  if (chains.empty()) return status;
  const oplog::Timestamp recorded = chains.back().last().ts;
  status.lag = std::max(between(recorded, server->newest), std::chrono::seconds(0));
  status.headroom = between(server->oldest, recorded);
  if (recorded < server->oldest) status.lost = DatasetGap{recorded, server->oldest};
  return status;
}

DatasetStatus status_of(const MongoPoints& points, WallTime now,
                        const std::optional<ServerOplog>& server) {
  DatasetStatus status = status_of(points.timeline(), points.windows(), now, server);
  status.timeless_count = points.timeless().size();
  if (points.timeless().empty()) return status;
  status.newest_timeless = repo::to_wall_time(points.timeless().back().snapshot.time);
  if (!status.window)
    status.recovery_point_age =
        std::max(std::chrono::floor<std::chrono::seconds>(now - *status.newest_timeless),
                 std::chrono::seconds(0));
  return status;
}

}  // namespace holdfast::catalog
