#pragma once
// One oplog entry: the envelope of docs/oplog_format.md section 1, as views into the entry's bytes.
#include <optional>
#include <string>
#include <vector>

#include "oplog/order.hpp"

namespace holdfast::oplog {

// Emergency switches; each is an exact name that a person typed.
struct EntryRules {
  std::vector<std::string> allowed_fields;         // --allow-envelope-field
  std::vector<std::string> assumed_noop_commands;  // --assume-noop-command
};

enum class Op : std::uint8_t { insert, update, remove, command, noop, ignored };

// Views point into the bytes given to parse(). Immutable.
struct Entry {
  bson::Document raw = bson::Document::trusted({});
  Op op = Op::noop;
  Timestamp ts;
  std::int64_t term = -1;
  std::string_view ns;
  std::optional<Uuid> uuid;
  bson::Document o = bson::Document::trusted({});
  std::optional<bson::Document> o2;
  std::int64_t wall_ms = 0;
  ByteView session;  // raw bytes of `lsid`; empty if absent
  std::optional<std::int64_t> txn_number;
  bool has_statement = false;
  bool is_upsert = false;          // `b` of old entries: true
  std::optional<OpTime> previous;  // prevOpTime
  std::int32_t multi_op_type = 0;
  bool is_from_migrate = false;

  OpTime optime() const { return {ts, term}; }
  // First field name of `o`: the command of an entry with Op::command.
  std::string_view command() const;

  // Validates the whole entry. Errors: malformed (not BSON, wrong type, duplicate, missing field),
  // unsupported (unknown field, op or version; the message holds name, ts and the raw entry).
  static Result<Entry> parse(ByteView bytes, const EntryRules& rules);
  // An element of an applyOps list; ts, term, wall and session are those of `outer`.
  static Result<Entry> parse_inner(bson::Document inner, const Entry& outer,
                                   const EntryRules& rules);
};

// The refusal of docs/oplog_format.md 5.4: ts, what, and the raw entry as extended JSON.
tl::unexpected<Error> refuse(const Entry& entry, std::string what);

// Appendix A.1 along a stream: ts strictly ascending, term never decreasing.
class OrderCheck {
 public:
  Result<void> accept(OpTime optime);
  OpTime last() const { return last_; }

 private:
  OpTime last_{};
};

}  // namespace holdfast::oplog
