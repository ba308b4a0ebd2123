#pragma once
// What the connected user may do, compared with what a use needs: so that a missing grant is named
// before work begins (docs/guide: least privileges).
#include <string>
#include <vector>

#include "mongo/deployment.hpp"

namespace holdfast::mongo {

// One privilege: an action on a resource. db and collection empty: any; cluster: the action is
// about the cluster as a whole.
struct Grant {
  std::string action;  // "find"
  std::string db;
  std::string collection;
  bool is_cluster = false;

  std::string describe() const;  // "find on local.oplog.rs", "replSetGetStatus on the cluster"
};

// change_stream: backup and stream where nobody may read the oplog.
enum class Purpose : std::uint8_t { backup, stream, change_stream, restore, compare };
std::vector<Grant> needed_for(Purpose purpose);

struct GrantReport {
  std::string user;         // "bk@admin"; empty: the server asks nobody who he is
  bool is_enforced = true;  // false: no access control, or a server that does not tell
  std::vector<Grant> missing;
  std::vector<std::string> notes;
};

// Pure: privileges as connectionStatus {showPrivileges: true} lists them.
std::vector<Grant> missing_grants(bson::Document connection_status,
                                  const std::vector<Grant>& needed);
Result<GrantReport> check_grants(Connection& connection, Purpose purpose);
// Error denied, naming the missing grants and the command that gives them.
Result<void> require(const GrantReport& report);

}  // namespace holdfast::mongo
