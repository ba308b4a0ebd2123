#pragma once
// Bursts in the making: changes of one kind in one place, counted while they pass
// (mass_change.hpp).
#include <deque>
#include <unordered_map>

#include "oplog/mass_change.hpp"

namespace holdfast::oplog {

// One change of one document. Views are valid during the call.
struct SingleChange {
  MassKind kind = MassKind::deletes;
  Statement statement = Statement::many;
  std::string_view ns;
  std::optional<Uuid> uuid;
  OpTime time;       // of the entry that made it visible
  Timestamp before;  // the moment before it
  std::int64_t wall_ms = 0;
  ByteView session;  // raw `lsid`; empty: none
  bson::Value id;
  std::uint64_t shape = 0;  // hash of what was changed, 0 for others than updates
};

// Where a run of changes begins and ends, and how many they are. Value type.
class ChangeRun {
 public:
  void add(const SingleChange& change, ByteView key);
  void clear() { count_ = 0; }
  std::uint64_t count() const { return count_; }
  Timestamp last() const { return last_.ts; }
  void write_to(MassChange& out) const;

 private:
  struct Id {
    Bytes key;
    Bytes document;
  };
  std::uint64_t count_ = 0;
  OpTime first_, last_;
  std::int64_t first_wall_ms_ = 0, last_wall_ms_ = 0;
  Timestamp before_;
  Bytes first_id_, last_id_;
  Id lowest_, highest_;
  std::vector<std::uint64_t> sessions_;  // hashes
  Bytes session_;                        // of the first change that has one
};

// One thread.
class MassChangeGroups {
 public:
  using Emit = std::function<void(MassChange)>;
  MassChangeGroups(const MassChangeOptions& options, Emit emit)
      : options_(options), emit_(std::move(emit)) {}

  // `describe`: asked for the words of a shape when a group begins.
  void add(const SingleChange& change, const std::function<std::string()>& describe);
  void finish();

 private:
  // What a group remembers of a change before it is known to be a burst.
  struct Waiting {
    Bytes id;  // {"": _id}
    OpTime time;
    Timestamp before;
    std::int64_t wall_ms = 0;
    Bytes session;
  };
  struct Group {
    MassKind kind = MassKind::deletes;
    Statement statement = Statement::many;
    std::string ns;
    std::optional<Uuid> uuid;
    std::string shape;
    std::deque<Waiting> waiting;
    std::uint32_t last_seconds = 0;
    bool is_burst = false;
    ChangeRun all;
    // Passes, as the TTL monitor makes them.
    ChangeRun pass;
    ChangeRun largest;
    std::uint64_t pass_count = 0;
    bool is_regular = true;
  };

  std::uint64_t count_min(const Group& group) const;
  std::uint32_t pause_max(const Group& group) const;
  void wait(Group& group, const SingleChange& change);
  void count(Group& group, const SingleChange& change);
  void end_pass(Group& group);
  void close(Group& group);
  void forget_quiet(std::uint32_t now);
  void forget_waiting();
  std::uint32_t span_seconds() const;

  const MassChangeOptions& options_;
  Emit emit_;
  std::unordered_map<std::string, Group> groups_;
  std::size_t waiting_count_ = 0;  // of all groups
  std::string name_;
  Bytes key_;
};

}  // namespace holdfast::oplog
