#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/dataset_points.hpp"
#include "cli/output.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

struct PointsOptions {
  std::vector<std::string> tags;
  std::vector<std::string> paths;
  std::optional<std::string> host;
  std::optional<std::string> dataset;
  bool gaps = false;  // gaps are always shown; taken for the sake of scripts
};

bool holds(const std::vector<std::string>& all, const std::string& wanted) {
  return std::find(all.begin(), all.end(), wanted) != all.end();
}

bool is_wanted(const repo::Snapshot& snapshot, const PointsOptions& options) {
  if (options.host && snapshot.hostname != *options.host) return false;
  const auto holds_all = [](const auto& all, const auto& wanted) {
    return std::all_of(wanted.begin(), wanted.end(),
                       [&](const std::string& each) { return holds(all, each); });
  };
  return holds_all(snapshot.tags, options.tags) && holds_all(snapshot.paths, options.paths);
}

nlohmann::ordered_json as_json(const repo::StoredSnapshot& point) {
  const auto& snapshot = point.snapshot;
  nlohmann::ordered_json row{{"id", point.id.hex()},
                             {"short_id", point.id.short_hex()},
                             {"time", repo::format_node_time(snapshot.time)},
                             {"tree", snapshot.tree.hex()},
                             {"paths", snapshot.paths},
                             {"hostname", snapshot.hostname},
                             {"username", snapshot.username},
                             {"tags", snapshot.tags}};
  if (snapshot.parent) row["parent"] = snapshot.parent->hex();
  if (snapshot.summary) {
    row["files"] = snapshot.summary->total_files_processed;
    row["bytes"] = snapshot.summary->total_bytes_processed;
    row["bytes_added"] = snapshot.summary->data_added_packed;
  }
  return row;
}

Result<int> points(Session& session, const PointsOptions& options) {
  if (options.dataset) return dataset_points(session, *options.dataset);
  auto* repository = TRY(session.open_repository());
  Table table({"ID", "TIME", "HOST", "TAGS", "SIZE", "PATHS"});
  auto rows = nlohmann::ordered_json::array();
  const auto snapshots = TRY(repository->snapshots());
  for (const auto& point : snapshots) {
    const auto& snapshot = point.snapshot;
    if (!is_wanted(snapshot, options)) continue;
    rows.push_back(as_json(point));
    table.add({point.id.short_hex(), repo::format_node_time(snapshot.time), snapshot.hostname,
               fmt::format("{}", fmt::join(snapshot.tags, ",")),
               snapshot.summary ? format_bytes(snapshot.summary->total_bytes_processed) : "",
               fmt::format("{}", fmt::join(snapshot.paths, " "))});
  }
  if (session.format() == OutputFormat::json)
    print_json("points", {{"points", rows}});
  else
    print(table.text() + fmt::format("{} points\n", rows.size()));
  return 0;
}

}  // namespace

void add_points(CommandLine& line) {
  auto options = std::make_shared<PointsOptions>();
  auto* verb = line.app.add_subcommand("points", "what can be recovered: snapshots and moments");
  verb->add_option("--tag", options->tags, "only points with this tag (repeatable)");
  verb->add_option("--path", options->paths, "only points of this path (repeatable)");
  verb->add_option("--host", options->host, "only points of this host");
  verb->add_option("--dataset", options->dataset, "moments of one database, with its gaps");
  verb->add_flag("--gaps", options->gaps, "with --dataset: name each gap (the default)");
  line.choose(verb, [options](Session& session) { return points(session, *options); });
}

}  // namespace holdfast::cli
