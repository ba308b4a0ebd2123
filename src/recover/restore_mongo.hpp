#pragma once
// Puts a database as it was at a moment onto a live server: decide, show, do, prove.
//
// What a run did is noted on the target, in `holdfast_restore.progress`: the same restore started
// again goes on where a kill or a cut network stopped it. At the end every collection is read back,
// and count and digest are compared with what was computed.
#include "mongo/deployment.hpp"
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

// May something that is there be replaced? `yes`: each collection is written under another name,
// compared, and only then renamed over the old one.
enum class InPlace : std::uint8_t { no, yes };
// `merge`: into the target's, by the server's own merge; nobody is removed, and who is there
// already is replaced only in place. With renames nobody is written: grants name databases.
enum class UsersAndRoles : std::uint8_t { leave_out, merge };
enum class KeepUuids : std::uint8_t { no, where_possible };

constexpr unsigned restore_connections_max = 32;

struct RestoreMongoPlan;

struct RestoreMongoOptions {
  MomentRequest moment;
  InPlace in_place = InPlace::no;
  std::string confirm;  // for InPlace::yes: the name of the dataset
  UsersAndRoles users = UsersAndRoles::merge;
  KeepUuids uuids = KeepUuids::where_possible;
  unsigned connections = 4;
  std::function<void(const RestoreMongoPlan&)> on_plan = {};  // before anything is written
};

// What the target has under a wanted name.
struct OccupiedNamespace {
  std::string ns;
  std::uint64_t count = 0;
};

struct PlannedCollection {
  std::string ns;         // as it was
  std::string target_ns;  // as it will be written
  std::string type;       // collection, view, timeseries
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  bool is_exact = true;  // false: count and bytes are estimates
  std::uint64_t index_count = 0;
};

// Users, or roles, by their names ("db.name").
struct AuthShare {
  std::vector<std::string> written;   // the target has no such
  std::vector<std::string> replaced;  // the target's own: in place only
  std::vector<std::string> left;      // stay as they are there, or are not there
};
struct AuthPlan {
  AuthShare users, roles;
  std::string why_left;  // a sentence; empty: none is left
};

struct RestoreMongoPlan {
  repo::SnapshotId base;
  std::optional<oplog::Timestamp> at;
  std::string moment;  // for a person
  std::string target;  // the redacted URI
  std::string server_version;
  std::vector<PlannedCollection> collections;  // in the order of writing
  std::vector<OccupiedNamespace> occupied;     // would be overwritten
  std::vector<std::string> left_out;           // namespaces that a server makes by itself
  AuthPlan auth;
  bool continues = false;  // an earlier run of the same restore is on the target
  std::chrono::seconds estimated_time{0};
  std::vector<std::string> notes;

  std::uint64_t document_count() const;
  std::uint64_t byte_count() const;
};

struct RestoredCollection {
  std::string ns;
  std::string target_ns;
  std::string type;
  std::uint64_t count = 0;  // computed
  std::uint64_t bytes = 0;
  bson::Digest256 digest;
  std::uint64_t target_count = 0;  // read back
  bson::Digest256 target_digest;
  std::uint64_t index_count = 0;  // built
  std::uint64_t kept_count = 0;   // documents that an earlier run had written
  bool is_equal() const { return count == target_count && digest == target_digest; }
};

struct RestoreMongoResult {
  RestoreMongoPlan plan;
  std::vector<RestoredCollection> collections;
  std::vector<std::string> problems;  // sentences: what differs, or could not be made
  std::vector<std::string> notes;     // what the server does not support, and the engine's notes
  AuthPlan auth;                      // what became of users and roles
  std::uint64_t document_count = 0;   // written by this run
  std::chrono::milliseconds write_time{0};
  std::chrono::milliseconds index_time{0};
  std::chrono::milliseconds compare_time{0};
  // PASS; else the caller ends with verification_failed.
  bool is_equal() const { return problems.empty(); }
  std::uint64_t read_back_count() const;  // documents that the target has of it
};
// One sentence for a person, beginning with PASS or FAIL; of what was read back, not of the plan.
std::string describe_verdict(const RestoreMongoResult& result);

// Writes nothing. The caller holds a shared lock. Loads the index. Errors: those of
// MomentStream::open, server_unreachable, denied, refused (another restore is unfinished on the
// target), locked (the same one is at work in another process), usage (two collections would have
// one name; a wildcard), unsupported (time series and system.js can not be replaced in place),
// not_found (something that was chosen or renamed did not exist).
Result<RestoreMongoPlan> plan_restore(repo::Repository& repository, mongo::Deployment& target,
                                      const RestoreMongoOptions& options);

// Error refused when a wanted namespace of the target is not empty, unless in place and confirmed,
// or continued.
Result<void> require_allowed(const RestoreMongoPlan& plan, const RestoreMongoOptions& options);

// plan_restore(), require_allowed(), and the work. Errors also: server_failed, interrupted (run it
// again).
Result<RestoreMongoResult> restore_mongo(repo::Repository& repository, mongo::Deployment& target,
                                         const RestoreMongoOptions& options);

}  // namespace holdfast::recover
