#include "mongo/grants.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

namespace holdfast::mongo {
namespace {

std::vector<std::string> missing(std::string_view privileges, Purpose purpose) {
  const std::string json =
      R"({"authInfo":{"authenticatedUserPrivileges":)" + std::string(privileges) + "}}";
  const Bytes status = bson::parse_ext_json(json).value();
  std::vector<std::string> out;
  for (const auto& grant : missing_grants(bson::Document::trusted(status), needed_for(purpose)))
    out.push_back(grant.describe());
  return out;
}

// What the server lists for its built-in role `backup`, shortened to what matters here.
constexpr auto built_in_backup = R"([
  {"resource":{"cluster":true},"actions":["listDatabases","appendOplogNote"]},
  {"resource":{"anyResource":true},"actions":["listCollections","listIndexes"]},
  {"resource":{"db":"","collection":""},"actions":["find"]},
  {"resource":{"db":"local","collection":""},"actions":["find"]},
  {"resource":{"db":"admin","collection":"system.users"},"actions":["find"]},
  {"resource":{"db":"admin","collection":"system.roles"},"actions":["find"]}])";

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("the built-in role backup is enough for a backup and for a stream") {
  CHECK(missing(built_in_backup, Purpose::backup).empty());
  CHECK(missing(built_in_backup, Purpose::stream).empty());
  CHECK(missing(built_in_backup, Purpose::compare).empty());
}

TEST_CASE("a right on any resource covers all, a right on any database not local") {
  CHECK(missing(R"([{"resource":{"anyResource":true},"actions":["anyAction"]}])", Purpose::restore)
            .empty());
  CHECK(missing(R"([{"resource":{"cluster":true},"actions":["listDatabases"]},
                    {"resource":{"db":"","collection":""},
                     "actions":["find","listCollections","listIndexes"]}])",
                Purpose::backup) == Names{"find on local.oplog.rs", "find on admin.system.users",
                                          "find on admin.system.roles"});
}

TEST_CASE("a right on the cluster covers no collection, and the other way round") {
  CHECK(missing(R"([{"resource":{"cluster":true},
                     "actions":["find","listDatabases","listCollections"]}])",
                Purpose::compare) == Names{"find on any database",
                                           "listCollections on any database",
                                           "listIndexes on any database"});
  CHECK(missing(R"([{"resource":{"db":"","collection":""},
                     "actions":["find","listDatabases","listCollections","listIndexes"]}])",
                Purpose::compare) == Names{"listDatabases on the cluster"});
}

TEST_CASE("the built-in role readAnyDatabase is enough where change streams are the history") {
  CHECK(missing(R"([{"resource":{"cluster":true},"actions":["listDatabases"]},
                    {"resource":{"db":"","collection":""},
                     "actions":["changeStream","collStats","dbHash","dbStats","find","killCursors",
                                "listCollections","listIndexes","planCacheRead"]}])",
                Purpose::change_stream)
            .empty());
}

TEST_CASE("rights on one database are not rights on any") {
  CHECK(missing(R"([{"resource":{"cluster":true},"actions":["listDatabases"]},
                    {"resource":{"db":"shop","collection":""},
                     "actions":["find","listCollections","listIndexes"]}])",
                Purpose::compare)
            .size() == 3);
}

TEST_CASE("a collection of the system is covered by its name only") {
  const std::vector<Grant> needed{{"find", "admin", "system.users", false}};
  const auto is_missing = [&](std::string_view resource) {
    const std::string json = R"({"authInfo":{"authenticatedUserPrivileges":[{"resource":)" +
                             std::string(resource) + R"(,"actions":["find"]}]}})";
    const Bytes status = bson::parse_ext_json(json).value();
    return !missing_grants(bson::Document::trusted(status), needed).empty();
  };
  CHECK(is_missing(R"({"db":"admin","collection":""})"));
  CHECK(is_missing(R"({"db":"","collection":""})"));
  CHECK_FALSE(is_missing(R"({"db":"admin","collection":"system.users"})"));
  CHECK_FALSE(is_missing(R"({"db":"","collection":"system.users"})"));
  CHECK(is_missing(R"({"db":"shop","collection":"system.users"})"));
}

TEST_CASE("an answer of another shape grants nothing") {
  const std::size_t all = needed_for(Purpose::backup).size();
  for (const auto* privileges : {"[]", "5", "[5]", R"([{"resource":5,"actions":["find"]}])",
                                 R"([{"resource":{"anyResource":true},"actions":5}])",
                                 R"([{"resource":{"anyResource":true},"actions":[5]}])",
                                 R"([{"resource":{},"actions":["find"]}])"})
    CHECK(missing(privileges, Purpose::backup).size() == all);
}

TEST_CASE("a refusal names user, grants, and the command that gives them") {
  GrantReport report;
  CHECK(require(report).has_value());
  report.user = "bk@admin";
  report.missing = {{"find", "local", "oplog.rs", false}, {"listDatabases", {}, {}, true}};
  const auto refused = require(report);
  CHECK(refused.error().code == ErrorCode::denied);
  CHECK(refused.error().message ==
        "user bk@admin lacks find on local.oplog.rs, listDatabases on the cluster; what gives it: "
        "db.getSiblingDB(\"admin\").grantRolesToUser(\"bk\", [{role: \"backup\", db: "
        "\"admin\"}])");
  report.missing = {{"insert", {}, {}, false}};
  CHECK(require(report).error().message.find("role: \"restore\"") != std::string::npos);
  report.user.clear();
  CHECK(require(report).error().message.find("wants a user") != std::string::npos);
}

}  // namespace holdfast::mongo
