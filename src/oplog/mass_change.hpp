#pragma once
// Finds mass deletes, mass rewrites and drops in a stream of entries: what an accident or an attack
// leaves in the oplog, and the moment just before it. Pure; bounded memory whatever the stream.
//
// Changes of one kind (and, for updates, one shape) in one collection make a burst when at least
// `count_min` of them lie within `span`; it goes on until the next one is more than `span` later.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oplog/entry.hpp"
#include "oplog/spill.hpp"

namespace holdfast::oplog {

enum class MassKind : std::uint8_t {
  deletes,
  updates,       // same fields changed in the same way
  replacements,  // whole documents
  drop,
  drop_database,
  emptied,            // emptycapped
  replaced_by_rename  // another collection was renamed over it ($out, convertToCapped, by hand)
};
std::string_view name_of(MassKind kind);  // "deletes", "drop", …

// By which kind of statement, as far as the oplog tells.
enum class Statement : std::uint8_t {
  many,         // one statement for many documents, or single ones without a session
  single,       // retryable statements for one document each, of one or more sessions
  transaction,  // inside transactions
  apply_ops,    // grouped by the server or by a user's applyOps
  command,      // drop, renameCollection, …
  expiry        // looks like the TTL monitor: passes without a session about 60 s apart
};
std::string_view name_of(Statement statement);

// One burst. Plain value. `_id`s are documents {"": _id}; empty for commands.
struct MassChange {
  MassKind kind = MassKind::deletes;
  Statement statement = Statement::many;  // of most of the changes
  std::string ns;                         // at the time; a database for drop_database
  std::optional<Uuid> uuid;
  OpTime first;  // entry of the first and the last change
  OpTime last;
  std::int64_t first_wall_ms = 0;
  std::int64_t last_wall_ms = 0;
  Timestamp before;                 // the moment just before the first change
  std::uint64_t count = 0;          // documents; for drops what the server noted, else 0
  std::uint64_t session_count = 0;  // different ones, up to sessions_max
  std::string session;              // of the first change with one, as JSON
  std::uint64_t pass_count = 1;     // expiry: passes of the monitor
  std::string shape;                // updates: "set price, stock; unset old"
  Bytes first_id, last_id;          // in order of time
  Bytes lowest_id, highest_id;      // in order of K(_id)
  std::string detail;               // "over it was renamed shop.tmp"
};

struct MassChangeOptions {
  std::uint64_t count_min = 50;
  std::chrono::seconds span{60};
  EntryRules rules;
  // Changes before this are only followed, for transactions that end later.
  Timestamp from;
  // Collections that never count. Empty: config, local and system collections but users and roles.
  std::function<bool(std::string_view ns)> is_ignored;
};

constexpr std::size_t mass_changes_max = 1000;  // kept in a report; the largest stay
constexpr std::size_t sessions_max = 16;        // told apart in a burst
constexpr std::size_t open_groups_max = 1024;   // followed at a time; the quietest are forgotten

struct MassChangeReport {
  std::vector<MassChange> changes;   // by time of the first change
  std::uint64_t left_out_count = 0;  // beyond mass_changes_max
  std::uint64_t entry_count = 0;
  std::uint64_t change_count = 0;      // deletes, updates and replacements looked at
  std::uint64_t unreadable_count = 0;  // entries that can not be interpreted
  std::optional<OpTime> first_entry;
  std::optional<OpTime> last_entry;
  std::vector<std::string> notes;
};

// One thread. accept() each raw entry in order, then finish() once. `spill` keeps pieces of large
// transactions.
class MassChangeScan {
 public:
  MassChangeScan(SpillStore& spill, MassChangeOptions options);
  MassChangeScan(MassChangeScan&&) noexcept;
  MassChangeScan& operator=(MassChangeScan&&) noexcept;
  ~MassChangeScan();

  // REQUIRES: a validated document. Errors: malformed (no ts), corrupt (order, transaction chain).
  Result<void> accept(ByteView entry);
  MassChangeReport finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::oplog
