#include "cli/restore_database.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/option_group.hpp"
#include "cli/output.hpp"
#include "cli/restore_undo.hpp"
#include "cli/undelete.hpp"
#include "dataset/mongo_manifest.hpp"
#include "recover/restore_mongo.hpp"

namespace holdfast::cli {
namespace {

Result<recover::RestoreMongoOptions> options_of(const RestoreDatabaseLine& line) {
  recover::RestoreMongoOptions options;
  options.moment = TRY(moment_request_of(line));
  if (line.in_place) options.in_place = recover::InPlace::yes;
  options.confirm = line.confirm;
  if (line.no_users) options.users = recover::UsersAndRoles::leave_out;
  options.connections = line.connections;
  return options;
}

nlohmann::ordered_json as_json(const recover::AuthShare& share) {
  return {{"written", share.written}, {"replaced", share.replaced}, {"left", share.left}};
}

void print_auth(const recover::AuthShare& share, std::string_view what, std::string_view verb) {
  const auto& [written, replaced, left] = share;
  if (written.size() + replaced.size() + left.size() == 0) return;
  print(fmt::format("{}: {} {}, {} of them replaced, {} left\n", what,
                    written.size() + replaced.size(), verb, replaced.size(), left.size()));
}

nlohmann::ordered_json as_json(const recover::RestoreMongoPlan& plan) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& each : plan.collections)
    collections.push_back({{"ns", each.ns},
                           {"target_ns", each.target_ns},
                           {"kind", each.type},
                           {"count", each.count},
                           {"bytes", each.bytes},
                           {"exact", each.is_exact},
                           {"indexes", each.index_count}});
  auto occupied = nlohmann::ordered_json::array();
  for (const auto& each : plan.occupied)
    occupied.push_back({{"ns", each.ns}, {"count", each.count}});
  nlohmann::ordered_json document{{"base", plan.base.hex()},
                                  {"moment", plan.moment},
                                  {"to", plan.target},
                                  {"collections", collections},
                                  {"would_be_overwritten", occupied},
                                  {"left_out", plan.left_out},
                                  {"users", as_json(plan.auth.users)},
                                  {"roles", as_json(plan.auth.roles)},
                                  {"continues", plan.continues},
                                  {"documents", plan.document_count()},
                                  {"bytes", plan.byte_count()},
                                  {"estimated_seconds", plan.estimated_time.count()},
                                  {"notes", plan.notes}};
  if (plan.at) document["at"] = moment_as_json(*plan.at);
  return document;
}

void print_plan(const recover::RestoreMongoPlan& plan) {
  print(fmt::format("plan: {} to {}\n", plan.moment, plan.target));
  Table table({"NAMESPACE", "KIND", "DOCUMENTS", "SIZE", "INDEXES"});
  for (const auto& each : plan.collections) {
    const auto name =
        each.ns == each.target_ns ? each.ns : fmt::format("{} -> {}", each.ns, each.target_ns);
    const std::string_view about = each.is_exact ? "" : "about ";
    table.add({name, each.type, fmt::format("{}{}", about, each.count),
               fmt::format("{}{}", about, format_bytes(each.bytes)),
               std::to_string(each.index_count)});
  }
  print(table.text());
  for (const auto& each : plan.occupied)
    print(fmt::format("would be overwritten: {}, {} documents\n", each.ns, each.count));
  for (const auto& name : plan.auth.users.replaced)
    print(fmt::format("would be overwritten: user {}\n", name));
  for (const auto& name : plan.auth.roles.replaced)
    print(fmt::format("would be overwritten: role {}\n", name));
  print_auth(plan.auth.users, "users", "to be written");
  print_auth(plan.auth.roles, "roles", "to be written");
  if (plan.continues) print("goes on with an earlier run of the same restore\n");
  print(fmt::format("{} documents, {}, about {}\n", plan.document_count(),
                    format_bytes(plan.byte_count()), format_time_taken(plan.estimated_time)));
}

nlohmann::ordered_json as_json(const recover::RestoreMongoResult& result) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& each : result.collections)
    collections.push_back({{"ns", each.ns},
                           {"target_ns", each.target_ns},
                           {"kind", each.type},
                           {"count", each.count},
                           {"bytes", each.bytes},
                           {"digest", each.digest.hex()},
                           {"target_count", each.target_count},
                           {"target_digest", each.target_digest.hex()},
                           {"equal", each.is_equal()},
                           {"indexes", each.index_count},
                           {"kept", each.kept_count}});
  return {{"plan", as_json(result.plan)},
          {"equal", result.is_equal()},
          {"collections", collections},
          {"users", as_json(result.auth.users)},
          {"roles", as_json(result.auth.roles)},
          {"problems", result.problems},
          {"notes", result.notes},
          {"documents", result.read_back_count()},
          {"documents_written", result.document_count},
          {"write_seconds", std::chrono::duration<double>(result.write_time).count()},
          {"index_seconds", std::chrono::duration<double>(result.index_time).count()},
          {"compare_seconds", std::chrono::duration<double>(result.compare_time).count()}};
}

void print_result(const recover::RestoreMongoResult& result) {
  Table table({"NAMESPACE", "DOCUMENTS", "READ BACK", "DIGEST", "VERDICT"});
  for (const auto& each : result.collections)
    table.add({each.target_ns, std::to_string(each.count), std::to_string(each.target_count),
               each.digest.hex().substr(0, 16), each.is_equal() ? "equal" : "differs"});
  print(table.text());
  print_auth(result.auth.users, "users", "written");
  print_auth(result.auth.roles, "roles", "written");
  print(fmt::format("written in {}, indexes {}, compared in {}\n",
                    format_time_taken(result.write_time), format_time_taken(result.index_time),
                    format_time_taken(result.compare_time)));
  for (const auto& problem : result.problems) print(fmt::format("differs: {}\n", problem));
  print(recover::describe_verdict(result) + "\n");
}

Result<int> preview(Session& session, repo::Repository& repository, mongo::Deployment& target,
                    const recover::RestoreMongoOptions& options) {
  const auto plan = TRY(recover::plan_restore(repository, target, options));
  for (const auto& note : plan.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json)
    print_json("restore_plan", as_json(plan));
  else
    print_plan(plan);
  return 0;
}

Result<int> restore_whole(Session& session, const RestoreDatabaseLine& line) {
  auto options = TRY(options_of(line));
  if (session.format() == OutputFormat::text) options.on_plan = print_plan;
  const auto target = TRY(connect(session, line.uri));
  TRY(require_grants(*target, mongo::ReadFrom::primary, mongo::Purpose::restore));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "restore"));
  if (line.preview) return preview(session, *repository, *target, options);
  const auto result = TRY(recover::restore_mongo(*repository, *target, options));
  const auto& told = result.plan.notes;
  for (const auto& note : result.notes)
    if (std::find(told.begin(), told.end(), note) == told.end()) session.context().log.note(note);
  if (session.format() == OutputFormat::json) {
    print_json("restore", as_json(result));
  } else {
    print_result(result);
  }
  return result.is_equal() ? 0 : exit_status_of(ErrorCode::verification_failed);
}

// Empty: the snapshot is of files, or can not be looked up.
std::string dataset_of(Session& session, std::string_view snapshot) {
  const auto id = snapshot.substr(0, snapshot.find(':'));
  if (id.empty()) return {};
  const auto repository = session.open_repository();
  if (!repository.has_value()) return {};
  const auto stored = (*repository)->find_snapshot(id);
  if (!stored.has_value()) return {};
  const std::string prefix = dataset::dataset_tag("");
  for (const auto& tag : stored->snapshot.tags)
    if (tag.starts_with(prefix)) return tag.substr(prefix.size());
  return {};
}

}  // namespace

Result<recover::MomentRequest> moment_request_of(const RestoreDatabaseLine& line) {
  recover::MomentRequest request;
  request.dataset = line.dataset;
  request.at = line.at;
  request.only = line.only;
  request.renames = line.renames;
  request.memory_bytes_max = TRY(parse_size(line.memory));
  request.temp_directory = temp_directory();
  return request;
}

Result<void> refuse_server_for_files(Session& session, const std::string& to,
                                     const std::string& snapshot) {
  const auto start = to.find_first_not_of(" \t\r\n");
  if (start == std::string::npos || !mongo::looks_like_uri(to.substr(start))) return {};
  const auto uri = mongo::Uri::parse(Secret(as_bytes(to)));
  const std::string dataset = dataset_of(session, snapshot);
  return fail(ErrorCode::usage,
              fmt::format("{} is a server, and a database needs --dataset NAME{}",
                          uri.has_value() ? uri->redacted() : "the target of --to",
                          dataset.empty() ? ""
                                          : fmt::format(" (snapshot {} is of --dataset {})",
                                                        snapshot, dataset)));
}

void add_restore_database_options(CLI::App* verb, RestoreDatabaseLine& line) {
  constexpr const char* group = database_group;
  verb->add_option("--dataset", line.dataset, "this database, onto the server of --to")
      ->group(group);
  verb->add_option("--at", line.at,
                   "SECONDS,ORDINAL (that entry included), a time (all of that second "
                   "included), or last")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--only", line.only,
                   "DB, DB.* or DB.COLLECTION, no other wildcards; must have existed (repeatable)")
      ->group(group);
  verb->add_option(
          "--rename", line.renames,
          "A=B, two databases or two namespaces DB.COLLECTION; A must have existed (repeatable)")
      ->group(group);
  verb->add_flag("--missing-only", line.missing_only,
                 "put back only documents that are absent now; leave all later data alone")
      ->group(group);
  verb->add_flag("--changed-only", line.changed_only,
                 "put back only documents that are different now")
      ->excludes("--missing-only")
      ->group(group);
  verb->add_option("--id", line.ids, "with --missing-only or --changed-only: this _id (repeatable)")
      ->group(group);
  verb->add_option("--filter", line.filter,
                   "with --changed-only: only what this query finds now, Extended JSON")
      ->group(group);
  verb->add_flag("--in-place", line.in_place, "replace what the target has; needs --confirm")
      ->group(group);
  verb->add_option("--confirm", line.confirm, "the dataset's name, for --in-place")->group(group);
  verb->add_option("--undo", line.undo, "take back what this undo point tells of")->group(group);
  verb->add_flag(
          "--no-users", line.no_users,
          "leave users and roles out (those that the target has are replaced only --in-place, and "
          "--rename writes none)")
      ->group(group);
  verb->add_option("--connections", line.connections, "to the target")
      ->capture_default_str()
      ->check(CLI::Range(1U, recover::restore_connections_max))
      ->group(group);
  verb->add_option("--memory", line.memory, "bound; more is spilled to disk")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--uri-file", line.uri.file, "file with the connection string of the target")
      ->group(group);
  verb->add_option("--uri-command", line.uri.command,
                   "command that prints the connection string of the target")
      ->group(group);
}

Result<int> restore_database(Session& session, const RestoreDatabaseLine& line) {
  if (line.in_place && (line.missing_only || line.changed_only))
    return fail(ErrorCode::usage,
                "--in-place replaces whole collections; --missing-only and --changed-only do not");
  if (!line.undo.empty()) return undo(session, line);
  if (line.missing_only || line.changed_only) return put_back_lost(session, line);
  if (!line.ids.empty() || !line.filter.empty())
    return fail(ErrorCode::usage, "--id and --filter go with --missing-only or --changed-only");
  return restore_whole(session, line);
}

}  // namespace holdfast::cli
