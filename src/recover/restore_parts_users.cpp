#include <fmt/format.h>

#include "recover/restore_parts.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

constexpr std::string_view users_name = "holdfast_users";
constexpr std::string_view roles_name = "holdfast_roles";

Result<mongo::Reply> merge(PrimaryLink& link, bool has_users, bool has_roles) {
  bson::Builder command;
  command.append_int32("_mergeAuthzCollections", 1);
  command.append_text("tempUsersCollection",
                      has_users ? "admin." + std::string(users_name) : std::string());
  command.append_text("tempRolesCollection",
                      has_roles ? "admin." + std::string(roles_name) : std::string());
  command.append_text("db", "");
  command.append_bool("drop", false);
  return link.run("admin", command.finish());
}

Result<void> fill(PrimaryLink& link, std::string_view name, const std::vector<Bytes>& documents) {
  for (std::size_t at = 0; at < documents.size();) {
    InsertBatch batch("admin", std::string(name), TakenIds::accept, BatchOrder::any);
    while (at < documents.size() && batch.has_room_for(documents[at].size()))
      batch.add(documents[at++]);
    const auto outcome = TRY(link.write("admin", batch.command(), "copying users and roles"));
    for (const WriteFailure& failure : outcome.failures) {
      if (!failure.is_duplicate_key())
        return fail(ErrorCode::server_failed, "copying users and roles: " + failure.message);
    }
  }
  return {};
}

}  // namespace

// The server takes them from collections of other names, and checks them.
Result<void> merge_users(const std::vector<Bytes>& users, const std::vector<Bytes>& roles,
                         PrimaryLink& link, TargetNotes& notes) {
  if (users.empty() && roles.empty()) return {};
  // Asked with nothing first: no password hash goes to a server that does not know the command.
  const auto probe = TRY(merge(link, false, false));
  const bool is_unknown = probe.code == mongo::ServerCode::command_not_found ||
                          probe.message.find("no such c") != std::string::npos;
  const bool is_denied = probe.code == mongo::ServerCode::unauthorized;
  if (is_unknown || is_denied) {
    notes.note(fmt::format("{} users and {} roles were not restored: the server says {}",
                           users.size(), roles.size(), probe.message));
    return {};
  }
  TargetCatalog catalog(link, KeepUuids::no, notes);
  const NamespaceName users_at{"admin", std::string(users_name)};
  const NamespaceName roles_at{"admin", std::string(roles_name)};
  TRY(catalog.drop(users_at));
  TRY(catalog.drop(roles_at));
  TRY(fill(link, users_name, users));
  TRY(fill(link, roles_name, roles));
  const auto merged = TRY(merge(link, !users.empty(), !roles.empty()));
  TRY(catalog.drop(users_at));
  TRY(catalog.drop(roles_at));
  if (!merged.is_ok)
    notes.problem(
        fmt::format("users and roles were not restored: the server says {}", merged.message));
  return {};
}

}  // namespace holdfast::recover
