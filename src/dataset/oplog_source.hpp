#pragma once
// An oplog that can be read while it grows (docs/oplog_format.md 7.1): of a replica set's member
// (live_oplog.hpp), of a change stream, or of a test's script.
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "oplog/segment.hpp"

namespace holdfast::dataset {

// An entry as it is remembered: enough to recognise it (docs/oplog_format.md 7.2).
struct SeenEntry {
  oplog::OpTime time;
  oplog::ContentHash hash;  // of its raw bytes
  friend bool operator==(const SeenEntry&, const SeenEntry&) = default;
};
// Error: malformed.
Result<SeenEntry> seen_entry_of(ByteView entry);

// What an oplog belongs to. Plain value.
struct OplogFacts {
  std::string set_name;  // of the replica set
  std::string member;    // "host:port" that is read now
  std::string server_version;
  // Settings under which a majority read is not what it says, or that endanger the window; one
  // sentence each, for a person.
  std::vector<std::string> warnings;
  std::string set_id = {};  // settings.replicaSetId as hex; empty: not told
};

// Whether the next open() should prefer the member it had or another one.
enum class MemberChoice : std::uint8_t { any, another };

// One thread. All reads are majority reads: what they show can not be rolled back, unless facts()
// warns. Errors of all calls: server_unreachable when the connection or the cursor is gone (open()
// again, then judge by the first entry), denied, unsupported (no oplog here; the message says what
// to do), malformed, server_failed.
class OplogSource {
 public:
  virtual ~OplogSource() = default;

  // Starts a forward read of the entries with ts >= from. Ends one that was open.
  virtual Result<void> open(oplog::Timestamp from, MemberChoice choice = MemberChoice::any) = 0;

  // The next entry in order, validated BSON, valid until the next call. Nothing: none came within
  // `wait_max` (bounded by the server too). REQUIRES: open() succeeded and no call failed since.
  virtual Result<std::optional<ByteView>> next(std::chrono::milliseconds wait_max) = 0;

  // By the member that is read (one is chosen if none is). Nothing: the oplog has no entry.
  virtual Result<std::optional<SeenEntry>> oldest() = 0;
  // The newest entry. Entries before it may still be missing: it never proves completeness
  // (docs/oplog_format.md 7.5).
  virtual Result<std::optional<SeenEntry>> newest() = 0;
  // The entry with this very ts.
  virtual Result<std::optional<SeenEntry>> find(oplog::Timestamp at) = 0;

  // Where reading must begin for a base that is taken from now on: the first entry of the oldest
  // transaction that is open, else the newest entry (docs/oplog_format.md 4.4).
  virtual Result<oplog::Timestamp> start_for_base() = 0;

  virtual Result<OplogFacts> facts() = 0;
};

}  // namespace holdfast::dataset
