#include "mongo/grants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bson/builder.hpp"

namespace holdfast::mongo {

namespace {

constexpr std::array<std::string_view, 7> writing_actions{
    "insert",  "createCollection",        "createIndex", "dropCollection", "update",
    "collMod", "bypassDocumentValidation"};

bool is_writing(const Grant& grant) {
  return std::find(writing_actions.begin(), writing_actions.end(), grant.action) !=
         writing_actions.end();
}

std::string text_in(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  if (!value || value->type != bson::Type::string) return {};
  return std::string(value->as_text());
}

bool is_true(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  return value && value->type == bson::Type::boolean && value->as_bool();
}

// "system." collections are named, or they are not meant.
bool is_system(std::string_view collection) {
  return collection.starts_with("system.");
}

// Resource patterns as the server reads them: any database leaves out `local` and `config`.
bool covers(bson::Document resource, const Grant& needed) {
  if (is_true(resource, "anyResource")) return true;
  if (is_true(resource, "cluster")) return needed.is_cluster;
  if (needed.is_cluster || !resource.find("db")) return false;
  const std::string db = text_in(resource, "db");
  const std::string collection = text_in(resource, "collection");
  const bool is_apart = needed.db == "local" || needed.db == "config";
  const bool fits_db = db.empty() ? !(is_apart && collection.empty()) : db == needed.db;
  const bool fits_collection =
      collection.empty() ? !is_system(needed.collection) : collection == needed.collection;
  return fits_db && fits_collection;
}

bool allows(bson::Document privilege, const Grant& needed) {
  const auto resource = privilege.find("resource");
  const auto actions = privilege.find("actions");
  if (!resource || resource->type != bson::Type::document) return false;
  if (!actions || actions->type != bson::Type::array) return false;
  if (!covers(resource->as_document(), needed)) return false;
  for (const auto& action : actions->as_document()) {
    const bool is_text = action.value.type == bson::Type::string;
    if (is_text &&
        (action.value.as_text() == needed.action || action.value.as_text() == "anyAction"))
      return true;
  }
  return false;
}

std::optional<bson::Document> array_in(bson::Document status, std::string_view name) {
  const auto auth = status.find("authInfo");
  if (!auth || auth->type != bson::Type::document) return std::nullopt;
  const auto array = auth->as_document().find(name);
  if (!array || array->type != bson::Type::array) return std::nullopt;
  return array->as_document();
}

std::string first_user(bson::Document status) {
  const auto users = array_in(status, "authenticatedUsers");
  if (!users || users->is_empty()) return {};
  const bson::Value first = users->begin()->value;
  if (first.type != bson::Type::document) return {};
  return text_in(first.as_document(), "user") + "@" + text_in(first.as_document(), "db");
}

// Nobody is logged in: does the server mind?
Result<bool> minds_strangers(Connection& connection) {
  bson::Builder command;
  command.append_int32("listDatabases", 1);
  command.append_bool("nameOnly", true);
  const Reply reply = TRY(connection.run("admin", command.finish()));
  return !reply.is_ok && reply.code == ServerCode::unauthorized;
}

}  // namespace

std::string Grant::describe() const {
  if (is_cluster) return action + " on the cluster";
  if (db.empty() && collection.empty()) return action + " on any database";
  if (collection.empty()) return action + " on " + db;
  return action + " on " + (db.empty() ? "*" : db) + "." + collection;
}

std::vector<Grant> needed_for(Purpose purpose) {
  const auto on_any = [](const char* action) { return Grant{action, {}, {}, false}; };
  std::vector<Grant> needed{{"listDatabases", {}, {}, true},
                            on_any("find"),
                            on_any("listCollections"),
                            on_any("listIndexes")};
  if (purpose == Purpose::backup || purpose == Purpose::stream) {
    needed.push_back({"find", "local", "oplog.rs", false});
    needed.push_back({"find", "admin", "system.users", false});
    needed.push_back({"find", "admin", "system.roles", false});
  }
  if (purpose == Purpose::change_stream) needed.push_back(on_any("changeStream"));
  if (purpose == Purpose::restore)
    for (const auto* action : {"insert", "createCollection", "createIndex", "dropCollection",
                               "collMod", "bypassDocumentValidation"})
      needed.push_back(on_any(action));
  return needed;
}

std::vector<Grant> missing_grants(bson::Document connection_status,
                                  const std::vector<Grant>& needed) {
  const auto privileges = array_in(connection_status, "authenticatedUserPrivileges");
  std::vector<Grant> missing;
  for (const auto& grant : needed) {
    bool is_allowed = false;
    if (privileges)
      for (const auto& privilege : *privileges)
        is_allowed = is_allowed || (privilege.value.type == bson::Type::document &&
                                    allows(privilege.value.as_document(), grant));
    if (!is_allowed) missing.push_back(grant);
  }
  return missing;
}

Result<GrantReport> check_grants(Connection& connection, Purpose purpose) {
  bson::Builder command;
  command.append_int32("connectionStatus", 1);
  command.append_bool("showPrivileges", true);
  const Reply reply = TRY(connection.run("admin", command.finish()));
  GrantReport report;
  const auto unknown = [&](const char* why) {
    report.is_enforced = false;
    report.notes.emplace_back(why);
    return report;
  };
  if (!reply.is_ok) return unknown("the server does not tell what its users may do");
  report.user = first_user(reply.body());
  if (report.user.empty()) {
    const bool minds = TRY(minds_strangers(connection));
    if (!minds)
      return unknown("the server has no access control: whoever reaches it may do everything");
    report.missing = needed_for(purpose);
    return report;
  }
  const auto roles = array_in(reply.body(), "authenticatedUserRoles");
  const auto privileges = array_in(reply.body(), "authenticatedUserPrivileges");
  const bool has_roles = roles && !roles->is_empty();
  if (!privileges || (privileges->is_empty() && has_roles))
    return unknown("the server does not tell what its users may do");
  report.missing = missing_grants(reply.body(), needed_for(purpose));
  return report;
}

Result<void> require(const GrantReport& report) {
  if (report.missing.empty()) return {};
  std::string names;
  for (const auto& grant : report.missing) names += (names.empty() ? "" : ", ") + grant.describe();
  if (report.user.empty())
    return fail(ErrorCode::denied,
                fmt::format("the server wants a user, and the connection string has none "
                            "(needed: {})",
                            names));
  const bool writes = std::any_of(report.missing.begin(), report.missing.end(), is_writing);
  const auto at = report.user.rfind('@');
  return fail(ErrorCode::denied,
              fmt::format("user {} lacks {}; what gives it: db.getSiblingDB(\"{}\")."
                          "grantRolesToUser(\"{}\", [{{role: \"{}\", db: \"admin\"}}])",
                          report.user, names, report.user.substr(at + 1), report.user.substr(0, at),
                          writes ? "restore" : "backup"));
}

}  // namespace holdfast::mongo
