#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/mongo_server.hpp"
#include "cli/output.hpp"
#include "dataset/live_oplog.hpp"

namespace holdfast::cli {
namespace {

struct PlanCheckLine {
  UriSource uri;
};

struct PurposeName {
  mongo::Purpose purpose;
  std::string_view name;
  mongo::ReadFrom member;
};
constexpr std::array<PurposeName, 4> purposes{
    {{mongo::Purpose::backup, "backup", mongo::ReadFrom::secondary_preferred},
     {mongo::Purpose::stream, "stream", mongo::ReadFrom::secondary_preferred},
     {mongo::Purpose::compare, "compare", mongo::ReadFrom::primary},
     {mongo::Purpose::restore, "restore", mongo::ReadFrom::primary}}};

std::string_view role_of(const mongo::MemberFacts& member) {
  if (member.is_arbiter) return "arbiter";
  if (member.is_router) return "router";
  if (member.is_primary) return "primary";
  if (member.is_secondary) return "secondary";
  return member.set_name.empty() ? "lone server" : "other";
}

// Why the oplog can not be captured; empty: it can.
std::string oplog_obstacle(Session& session, mongo::Deployment& deployment,
                           std::vector<std::string>& notes) {
  auto source = dataset::open_live_oplog(deployment, session.context());
  if (!source.has_value()) return source.error().message;
  const auto oldest = (*source)->oldest();
  if (!oldest.has_value()) return oldest.error().message;
  const auto facts = (*source)->facts();
  if (facts.has_value()) notes.insert(notes.end(), facts->warnings.begin(), facts->warnings.end());
  return "";
}

nlohmann::ordered_json as_json(const mongo::MemberFacts& member) {
  return {{"address", member.address}, {"role", role_of(member)}, {"set", member.set_name}};
}

// What each use lacks, by its name.
Result<nlohmann::ordered_json> check_purposes(mongo::Deployment& deployment,
                                              std::vector<std::string>& notes) {
  nlohmann::ordered_json checks;
  for (const auto& each : purposes) {
    auto connection = TRY(deployment.connect_to(each.member));
    const auto report = TRY(mongo::check_grants(connection, each.purpose));
    auto missing = nlohmann::ordered_json::array();
    for (const auto& grant : report.missing) missing.push_back(grant.describe());
    checks[std::string(each.name)] = missing;
    for (const auto& note : report.notes)
      if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  return checks;
}

void print_text(const nlohmann::ordered_json& document) {
  print(fmt::format("server   {} at {}\n", document["server_version"].get<std::string>(),
                    document["uri"].get<std::string>()));
  for (const auto& member : document["members"])
    print(fmt::format("member   {}  {}\n", member["address"].get<std::string>(),
                      member["role"].get<std::string>()));
  const auto obstacle = document["oplog_obstacle"].get<std::string>();
  print(fmt::format("oplog    {}\n", obstacle.empty() ? "can be captured" : obstacle));
  for (const auto& [name, missing] : document["missing_grants"].items()) {
    const bool is_impossible = name == "stream" && !document["stream_possible"].get<bool>();
    if (is_impossible)
      print(fmt::format("{:<8} impossible: there is no oplog to read\n", name));
    else if (missing.empty())
      print(fmt::format("{:<8} nothing is missing\n", name));
    for (const auto& grant : missing)
      print(fmt::format("{:<8} missing: {}\n", name, grant.get<std::string>()));
  }
}

Result<int> run_plan_check(Session& session, const PlanCheckLine& line) {
  const auto deployment = TRY(connect(session, line.uri));
  const auto members = TRY(deployment->members());
  std::vector<std::string> notes;
  auto rows = nlohmann::ordered_json::array();
  for (const auto& member : members) rows.push_back(as_json(member));
  const auto checks = TRY(check_purposes(*deployment, notes));
  const auto version = TRY(deployment->server_version());
  const auto obstacle = oplog_obstacle(session, *deployment, notes);
  const nlohmann::ordered_json document{{"uri", deployment->redacted_uri()},
                                        {"server_version", version},
                                        {"members", rows},
                                        {"missing_grants", checks},
                                        {"oplog_obstacle", obstacle},
                                        {"stream_possible", obstacle.empty()},
                                        {"notes", notes}};
  for (const auto& note : notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json)
    print_json("plan_check", document);
  else
    print_text(document);
  const bool may_capture = checks["backup"].empty() && checks["stream"].empty();
  return may_capture ? 0 : exit_status_of(ErrorCode::denied);
}

}  // namespace

void add_plan(CommandLine& line) {
  auto given = std::make_shared<PlanCheckLine>();
  auto* plan = line.app.add_subcommand("plan", "look at what is planned before it runs");
  plan->require_subcommand(1);
  auto* verb = plan->add_subcommand(
      "check", "reach a server and name every grant that backup, stream or restore would miss");
  verb->add_option("URI", given->uri.text, "mongodb://…");
  add_uri_options(verb, given->uri);
  line.choose(verb, [given](Session& session) { return run_plan_check(session, *given); });
}

}  // namespace holdfast::cli
