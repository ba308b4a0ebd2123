#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "catalog/dataset_status.hpp"
#include "catalog/mongo_moment.hpp"
#include "cli/command.hpp"
#include "cli/moment.hpp"
#include "cli/mongo_server.hpp"
#include "cli/output.hpp"
#include "dataset/live_oplog.hpp"

namespace holdfast::cli {
namespace {

struct StatusLine {
  std::string dataset;
  UriSource uri;
};

Result<std::optional<catalog::ServerOplog>> ask_server(Session& session, const UriSource& uri) {
  if (!uri.is_given()) return std::optional<catalog::ServerOplog>();
  const auto deployment = TRY(connect(session, uri));
  const auto source = TRY(dataset::open_live_oplog(*deployment, session.context()));
  const auto oldest = TRY(source->oldest());
  const auto newest = TRY(source->newest());
  if (!oldest || !newest) return std::optional<catalog::ServerOplog>();
  return std::optional<catalog::ServerOplog>({oldest->time.ts, newest->time.ts});
}

nlohmann::ordered_json seconds_or_null(const std::optional<std::chrono::seconds>& span) {
  if (!span) return nullptr;
  return span->count();
}

nlohmann::ordered_json as_json(const StatusLine& line, const catalog::DatasetStatus& status) {
  auto gaps = nlohmann::ordered_json::array();
  for (const auto& gap : status.gaps)
    gaps.push_back({{"after", moment_as_json(gap.from)}, {"before", moment_as_json(gap.to)}});
  nlohmann::ordered_json document{{"dataset", line.dataset},
                                  {"bases", status.base_count},
                                  {"segments", status.segment_count},
                                  {"achieved_rpo_s", seconds_or_null(status.recovery_point_age)},
                                  {"lag_s", seconds_or_null(status.lag)},
                                  {"headroom_s", seconds_or_null(status.headroom)},
                                  {"server_window_s", seconds_or_null(status.server_window)},
                                  {"gaps", gaps}};
  if (status.window) {
    document["from"] = moment_as_json(status.window->from);
    document["to"] = moment_as_json(status.window->to);
  }
  return document;
}

std::string text_of(const std::optional<std::chrono::seconds>& span) {
  if (!span) return "not known (give mongodb://… to ask the server)";
  return span->count() < 0 ? "-" + format_span(-*span) : format_span(*span);
}

void print_text(const StatusLine& line, const catalog::DatasetStatus& status) {
  print(fmt::format("{}  {} bases, {} segments\n", line.dataset, status.base_count,
                    status.segment_count));
  if (status.window)
    print(fmt::format("  window         every moment from {} to {}\n",
                      catalog::describe(status.window->from),
                      catalog::describe(status.window->to)));
  else
    print("  window         no moment can be recovered yet\n");
  print(fmt::format("  achieved RPO   {}\n", text_of(status.recovery_point_age)));
  print(fmt::format("  lag            {}\n", text_of(status.lag)));
  print(fmt::format("  headroom       {}\n", text_of(status.headroom)));
  for (const auto& gap : status.gaps)
    print(fmt::format("  gap            nothing is known between {} and {}\n",
                      catalog::describe(gap.from), catalog::describe(gap.to)));
}

Result<int> run_status(Session& session, const StatusLine& line) {
  const auto server = TRY(ask_server(session, line.uri));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "status"));
  const auto snapshots = TRY(repository->snapshots());
  const auto points = TRY(catalog::MongoPoints::load(*repository, snapshots, line.dataset));
  const auto status = catalog::status_of(points.timeline(), points.windows(),
                                         session.context().clock.now(), server);
  if (session.format() == OutputFormat::json)
    print_json("status", as_json(line, status));
  else
    print_text(line, status);
  return 0;
}

}  // namespace

void add_status(CommandLine& line) {
  auto given = std::make_shared<StatusLine>();
  auto* verb = line.app.add_subcommand(
      "status", "how well a database is protected now: window, achieved RPO, lag, gaps");
  verb->add_option("--dataset", given->dataset, "name of the database")->required();
  verb->add_option("URI", given->uri.text, "mongodb://… to ask for lag and headroom");
  add_uri_options(verb, given->uri);
  line.choose(verb, [given](Session& session) { return run_status(session, *given); });
}

}  // namespace holdfast::cli
