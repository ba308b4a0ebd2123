#include "cli/dataset_points.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "catalog/mongo_moment.hpp"
#include "catalog/mongo_points.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

struct Gap {
  oplog::Timestamp after;   // last known entry before
  oplog::Timestamp before;  // first known entry behind
};

std::vector<Gap> gaps_of(const oplog::Timeline& timeline) {
  std::vector<Gap> gaps;
  const auto& chains = timeline.chains();
  for (std::size_t at = 1; at < chains.size(); ++at)
    gaps.push_back({chains[at - 1].last().ts, chains[at].first().ts});
  return gaps;
}

nlohmann::ordered_json as_json(const std::string& dataset, const catalog::MongoPoints& points) {
  auto windows = nlohmann::ordered_json::array();
  for (const auto& window : points.timeline().recoverable(points.windows()))
    windows.push_back({{"from", moment_as_json(window.from)},
                       {"to", moment_as_json(window.to)},
                       {"base", points.bases()[window.base].stored.id.hex()}});
  auto gaps = nlohmann::ordered_json::array();
  for (const auto& gap : gaps_of(points.timeline()))
    gaps.push_back({{"after", moment_as_json(gap.after)}, {"before", moment_as_json(gap.before)}});
  auto timeless = nlohmann::ordered_json::array();
  for (const auto& base : points.timeless()) timeless.push_back(base.id.hex());
  std::uint64_t segments = 0;
  std::uint64_t entries = 0;
  for (const auto& chain : points.timeline().chains())
    for (const auto& segment : chain.segments) {
      ++segments;
      entries += segment.entry_count;
    }
  return {{"dataset", dataset},   {"windows", windows},   {"gaps", gaps},
          {"timeless", timeless}, {"segments", segments}, {"entries", entries}};
}

void print_text(const std::string& dataset, const catalog::MongoPoints& points) {
  print(fmt::format("{}\n", dataset));
  for (const auto& window : points.timeline().recoverable(points.windows()))
    print(fmt::format("  every moment from {} to {}   base {}\n", catalog::describe(window.from),
                      catalog::describe(window.to),
                      points.bases()[window.base].stored.id.short_hex()));
  for (const auto& gap : gaps_of(points.timeline()))
    print(fmt::format("  gap: nothing is known between {} and {}\n", catalog::describe(gap.after),
                      catalog::describe(gap.before)));
  for (const auto& base : points.timeless())
    print(fmt::format("  as dumped, without a time in the oplog: {} taken in {}\n",
                      base.id.short_hex(), repo::format_node_time(base.snapshot.time)));
}

}  // namespace

Result<int> dataset_points(Session& session, const std::string& dataset) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "points"));
  const auto snapshots = TRY(repository->snapshots());
  const auto points = TRY(catalog::MongoPoints::load(*repository, snapshots, dataset));
  if (session.format() == OutputFormat::json)
    print_json("dataset_points", as_json(dataset, points));
  else
    print_text(dataset, points);
  return 0;
}

}  // namespace holdfast::cli
