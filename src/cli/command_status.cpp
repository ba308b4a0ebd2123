#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
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

// What the server said, or why it said nothing.
struct ServerAnswer {
  std::optional<catalog::ServerOplog> oplog;
  std::string obstacle;        // a property of the server: it has no oplog
  std::optional<Error> error;  // told after what is recorded
};

Result<std::optional<catalog::ServerOplog>> ask_oplog(Session& session, const UriSource& uri) {
  const auto deployment = TRY(connect(session, uri));
  const auto source = TRY(dataset::open_live_oplog(*deployment, session.context()));
  const auto oldest = TRY(source->oldest());
  const auto newest = TRY(source->newest());
  if (!oldest || !newest) return std::optional<catalog::ServerOplog>();
  return std::optional<catalog::ServerOplog>({oldest->time.ts, newest->time.ts});
}

Result<ServerAnswer> ask_server(Session& session, const UriSource& uri) {
  ServerAnswer answer;
  if (!uri.is_given()) return answer;
  auto oplog = ask_oplog(session, uri);
  if (oplog.has_value()) {
    answer.oplog = *oplog;
    return answer;
  }
  const ErrorCode code = oplog.error().code;
  const bool is_of_server = code == ErrorCode::server_unreachable || code == ErrorCode::denied ||
                            code == ErrorCode::server_failed;
  if (code == ErrorCode::unsupported)
    answer.obstacle = oplog.error().message;
  else if (is_of_server)
    answer.error = std::move(oplog.error());
  else
    return fail(std::move(oplog.error()));
  return answer;
}

nlohmann::ordered_json seconds_or_null(const std::optional<std::chrono::seconds>& span) {
  if (!span) return nullptr;
  return span->count();
}

std::string text_of(WallTime time) {
  return format_time(std::chrono::floor<std::chrono::seconds>(time));
}

nlohmann::ordered_json as_json(const catalog::DatasetGap& gap) {
  return {{"after", moment_as_json(gap.from)}, {"before", moment_as_json(gap.to)}};
}

nlohmann::ordered_json as_json(const StatusLine& line, const catalog::DatasetStatus& status,
                               const ServerAnswer& server) {
  auto gaps = nlohmann::ordered_json::array();
  for (const auto& gap : status.gaps) gaps.push_back(as_json(gap));
  nlohmann::ordered_json document{{"dataset", line.dataset},
                                  {"bases", status.base_count},
                                  {"timeless", status.timeless_count},
                                  {"segments", status.segment_count},
                                  {"achieved_rpo_s", seconds_or_null(status.recovery_point_age)},
                                  {"lag_s", seconds_or_null(status.lag)},
                                  {"headroom_s", seconds_or_null(status.headroom)},
                                  {"server_window_s", seconds_or_null(status.server_window)},
                                  {"gaps", gaps}};
  if (status.newest_timeless) document["newest_timeless"] = text_of(*status.newest_timeless);
  if (status.window) {
    document["from"] = moment_as_json(status.window->from);
    document["to"] = moment_as_json(status.window->to);
  }
  if (status.lost) document["lost"] = as_json(*status.lost);
  if (!server.obstacle.empty()) document["oplog_obstacle"] = server.obstacle;
  if (server.error)
    document["server_error"] = {{"code", name_of(server.error->code)},
                                {"message", server.error->message}};
  return document;
}

std::string text_of(const std::optional<std::chrono::seconds>& span, std::string_view unknown) {
  if (!span) return fmt::format("not known ({})", unknown);
  return span->count() < 0 ? "-" + format_span(-*span) : format_span(*span);
}

void print_recorded(const StatusLine& line, const catalog::DatasetStatus& status) {
  const auto copies = status.timeless_count == 0
                          ? std::string()
                          : fmt::format("{} {} without a time, ", status.timeless_count,
                                        status.timeless_count == 1 ? "copy" : "copies");
  print(fmt::format("{}  {} bases, {}{} segments\n", line.dataset, status.base_count, copies,
                    status.segment_count));
  if (status.window)
    print(fmt::format("  window         every moment from {} to {}\n",
                      catalog::describe(status.window->from),
                      catalog::describe(status.window->to)));
  else
    print(fmt::format("  window         {}\n", status.newest_timeless
                                                   ? "none: copies can be restored as they are"
                                                   : "no moment can be recovered yet"));
  if (status.newest_timeless)
    print(fmt::format("  newest copy    of {}, without a time in the oplog\n",
                      text_of(*status.newest_timeless)));
  print(fmt::format("  achieved RPO   {}\n",
                    text_of(status.recovery_point_age, "nothing is recorded")));
}

void print_text(const StatusLine& line, const catalog::DatasetStatus& status,
                const ServerAnswer& server) {
  print_recorded(line, status);
  if (!server.obstacle.empty()) {
    print(fmt::format("  oplog          none: {}\n", server.obstacle));
  } else {
    const auto* unknown = server.error          ? "the server can not be asked"
                          : line.uri.is_given() ? "no oplog is recorded"
                                                : "give mongodb://… to ask the server";
    print(fmt::format("  lag            {}\n", text_of(status.lag, unknown)));
    if (status.lost)
      print(
          fmt::format("  headroom       none: the server has overwritten what came after {} and "
                      "before {}; that history is lost. A new base is needed: run `holdfast "
                      "backup`, or `holdfast stream`, which takes one by itself\n",
                      catalog::describe(status.lost->from), catalog::describe(status.lost->to)));
    else
      print(fmt::format("  headroom       {}\n", text_of(status.headroom, unknown)));
  }
  for (const auto& gap : status.gaps)
    print(fmt::format("  gap            nothing is known between {} and {}\n",
                      catalog::describe(gap.from), catalog::describe(gap.to)));
}

Result<int> run_status(Session& session, const StatusLine& line) {
  const auto server = TRY(ask_server(session, line.uri));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "status"));
  const auto snapshots = TRY(repository->snapshots());
  const auto points = TRY(catalog::MongoPoints::load(*repository, snapshots, line.dataset));
  const auto status = catalog::status_of(points, session.context().clock.now(), server.oplog);
  if (session.format() == OutputFormat::json)
    print_json("status", as_json(line, status, server));
  else
    print_text(line, status, server);
  if (server.error) return fail(*server.error);
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
