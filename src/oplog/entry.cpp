#include "oplog/entry.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/ext_json.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::Value;

constexpr std::size_t raw_text_bytes_max = 4096;  // of an entry quoted in an error

// Every field of section 1.2; those without a meaning for us are `passed`.
enum class Field : std::uint8_t {
  ts,
  t,
  v,
  h,
  op,
  ns,
  ui,
  o,
  o2,
  b,
  wall,
  lsid,
  txn_number,
  stmt_id,
  prev_op_time,
  multi_op_type,
  from_migrate,
  tid,
  is_timeseries,
  // passed
  pre_image,
  post_image,
  needs_retry_image,
  pre_post_image_ops,
  from_tenant_migration,
  donor_op_time,
  donor_apply_ops_index,
  destined_recipient,
  id,
  rid,
  check_existence,
  version_context,
  container,
  size_metadata,
  m,
  unknown
};

struct FieldRow {
  std::string_view name;
  Field field;
  bool is_inner;  // may stand in an element of an applyOps list
};

constexpr FieldRow field_rows[] = {
    {"ts", Field::ts, false},
    {"t", Field::t, false},
    {"v", Field::v, false},
    {"h", Field::h, false},
    {"op", Field::op, true},
    {"ns", Field::ns, true},
    {"ui", Field::ui, true},
    {"o", Field::o, true},
    {"o2", Field::o2, true},
    {"b", Field::b, true},
    {"wall", Field::wall, false},
    {"lsid", Field::lsid, false},
    {"txnNumber", Field::txn_number, false},
    {"stmtId", Field::stmt_id, true},
    {"prevOpTime", Field::prev_op_time, false},
    {"multiOpType", Field::multi_op_type, false},
    {"fromMigrate", Field::from_migrate, true},
    {"tid", Field::tid, true},
    {"isTimeseries", Field::is_timeseries, true},
    {"preImageOpTime", Field::pre_image, true},
    {"postImageOpTime", Field::post_image, true},
    {"needsRetryImage", Field::needs_retry_image, true},
    {"prePostImageOps", Field::pre_post_image_ops, false},
    {"fromTenantMigration", Field::from_tenant_migration, false},
    {"donorOpTime", Field::donor_op_time, false},
    {"donorApplyOpsIndex", Field::donor_apply_ops_index, false},
    {"destinedRecipient", Field::destined_recipient, true},
    {"_id", Field::id, false},
    {"rid", Field::rid, true},
    {"checkExistenceForDiffInsert", Field::check_existence, true},
    {"versionContext", Field::version_context, true},
    {"container", Field::container, true},
    {"sizeMetadata", Field::size_metadata, true},
    {"m", Field::m, true},
};

const FieldRow* row_of(std::string_view name) {
  for (const FieldRow& row : field_rows) {
    if (row.name.size() == name.size() && row.name == name) return &row;
  }
  return nullptr;
}

constexpr std::uint64_t bit(Field field) {
  return std::uint64_t{1} << static_cast<unsigned>(field);
}

// Fills one Entry from a document, field by field.
class Parser {
 public:
  Parser(Entry& entry, const EntryRules& rules, bool is_inner)
      : entry_(entry), rules_(rules), is_inner_(is_inner) {}

  Result<void> run(Document document) {
    entry_.raw = document;
    for (const Element& element : document) {
      const FieldRow* row = row_of(element.name);
      if (row == nullptr || (is_inner_ && !row->is_inner)) {
        TRY(unknown(element.name));
        continue;
      }
      if ((seen_ & bit(row->field)) != 0) return wrong(element.name, "occurs twice");
      seen_ |= bit(row->field);
      TRY(set(row->field, element));
    }
    return check_required();
  }

 private:
  tl::unexpected<Error> wrong(std::string_view name, std::string_view what) const {
    return fail(ErrorCode::malformed,
                fmt::format("oplog entry {}: field '{}' {}", to_text(entry_.ts), name, what));
  }

  Result<void> unknown(std::string_view name) const {
    const auto& allowed = rules_.allowed_fields;
    if (std::find(allowed.begin(), allowed.end(), name) != allowed.end()) return {};
    return refuse(entry_,
                  fmt::format("unknown {} '{}'",
                              is_inner_ ? "field of an inner operation" : "envelope field", name));
  }

  Result<void> set(Field field, const Element& element) {
    const Value& value = element.value;
    const auto is = [&](Type type) { return value.type == type; };
    switch (field) {
      case Field::ts:
        if (!is(Type::timestamp)) return wrong(element.name, "is not a timestamp");
        entry_.ts = value.as_timestamp();
        return {};
      case Field::t:
        return set_integer(element, entry_.term);
      case Field::v:
        return set_version(element);
      case Field::op:
        return set_op(element);
      case Field::ns:
        if (!is(Type::string)) return wrong(element.name, "is not a string");
        entry_.ns = value.as_text();
        return {};
      case Field::ui: {
        const auto uuid = Uuid::from_value(value);
        if (!uuid) return wrong(element.name, "is not a UUID");
        entry_.uuid = *uuid;
        return {};
      }
      case Field::o:
        if (!is(Type::document)) return wrong(element.name, "is not a document");
        entry_.o = value.as_document();
        return {};
      case Field::o2:
        if (!is(Type::document)) return wrong(element.name, "is not a document");
        entry_.o2 = value.as_document();
        return {};
      default:
        return set_rare(field, element);
    }
  }

  Result<void> set_rare(Field field, const Element& element) {
    const Value& value = element.value;
    switch (field) {
      case Field::b:
        if (value.type != Type::boolean) return wrong(element.name, "is not a boolean");
        entry_.is_upsert = value.as_bool();
        return {};
      case Field::wall:
        if (value.type != Type::date) return wrong(element.name, "is not a date");
        entry_.wall_ms = value.as_int64();
        return {};
      case Field::lsid:
        if (value.type != Type::document) return wrong(element.name, "is not a document");
        entry_.session = value.bytes;
        return {};
      case Field::txn_number: {
        std::int64_t number = 0;
        TRY(set_integer(element, number));
        entry_.txn_number = number;
        return {};
      }
      case Field::stmt_id:
        entry_.has_statement = true;
        return {};
      case Field::prev_op_time:
        return set_previous(element);
      case Field::multi_op_type:
        return set_multi_op_type(element);
      case Field::from_migrate:
        if (value.type != Type::boolean) return wrong(element.name, "is not a boolean");
        entry_.is_from_migrate = value.as_bool();
        return {};
      case Field::tid:
      case Field::is_timeseries:
        return refuse(entry_, fmt::format("field '{}' is not supported", element.name));
      default:
        return {};
    }
  }

  Result<void> set_integer(const Element& element, std::int64_t& to) {
    if (element.value.type != Type::int64 && element.value.type != Type::int32)
      return wrong(element.name, "is not an integer");
    to = *element.value.as_integer();
    return {};
  }

  Result<void> set_version(const Element& element) {
    std::int64_t version = 0;
    TRY(set_integer(element, version));
    if (version != 2) return refuse(entry_, fmt::format("oplog version {}", version));
    return {};
  }

  Result<void> set_multi_op_type(const Element& element) {
    std::int64_t type = 0;
    TRY(set_integer(element, type));
    if (type != 0 && type != 1) return refuse(entry_, fmt::format("multiOpType {}", type));
    entry_.multi_op_type = static_cast<std::int32_t>(type);
    return {};
  }

  Result<void> set_op(const Element& element) {
    if (element.value.type != Type::string) return wrong(element.name, "is not a string");
    const auto op = element.value.as_text();
    if (op == "i") {
      entry_.op = Op::insert;
    } else if (op == "u") {
      entry_.op = Op::update;
    } else if (op == "d") {
      entry_.op = Op::remove;
    } else if (op == "c") {
      entry_.op = Op::command;
    } else if (op == "n") {
      entry_.op = Op::noop;
    } else if (op == "ci" || op == "cd" || op == "cu" || op == "km" || op == "db") {
      entry_.op = Op::ignored;
    } else {
      return refuse(entry_, fmt::format("unknown operation '{}'", op));
    }
    return {};
  }

  Result<void> set_previous(const Element& element) {
    if (element.value.type != Type::document) return wrong(element.name, "is not a document");
    OpTime previous;
    for (const Element& part : element.value.as_document()) {
      if (part.name == "ts" && part.value.type == Type::timestamp) {
        previous.ts = part.value.as_timestamp();
      } else if (part.name == "t" && part.value.type == Type::int64) {
        previous.term = part.value.as_int64();
      } else {
        return wrong(element.name, "is not an optime {ts, t}");
      }
    }
    entry_.previous = previous;
    return {};
  }

  Result<void> check_required() const {
    constexpr std::uint64_t inner = bit(Field::op) | bit(Field::ns) | bit(Field::o);
    const auto missing = [&](Field field) { return (seen_ & bit(field)) == 0; };
    if (!is_inner_ && missing(Field::ts)) return wrong("ts", "is missing");
    if (!is_inner_ && missing(Field::v)) return refuse(entry_, "an entry without a version");
    if ((seen_ & inner) != inner) return wrong("op, ns or o", "is missing");
    if (entry_.op == Op::update && missing(Field::o2)) return wrong("o2", "is missing");
    return {};
  }

  Entry& entry_;
  const EntryRules& rules_;
  bool is_inner_;
  std::uint64_t seen_ = 0;
};

}  // namespace

std::string_view Entry::command() const {
  return o.is_empty() ? std::string_view() : o.begin()->name;
}

Result<Entry> Entry::parse(ByteView bytes, const EntryRules& rules) {
  const auto document = TRY(Document::validate(bytes));
  Entry entry;
  TRY(Parser(entry, rules, false).run(document));
  return entry;
}

Result<Entry> Entry::parse_inner(Document inner, const Entry& outer, const EntryRules& rules) {
  Entry entry;
  entry.ts = outer.ts;
  entry.term = outer.term;
  entry.wall_ms = outer.wall_ms;
  entry.session = outer.session;
  entry.txn_number = outer.txn_number;
  TRY(Parser(entry, rules, true).run(inner));
  return entry;
}

tl::unexpected<Error> refuse(const Entry& entry, std::string what) {
  const auto ts = entry.raw.find("ts");  // the refused field may stand before it
  const bool is_outer = ts && ts->type == Type::timestamp;
  std::string raw = bson::to_ext_json(entry.raw);
  if (raw.size() > raw_text_bytes_max) {
    raw.resize(raw_text_bytes_max);
    raw += "...";
  }
  return fail(ErrorCode::unsupported,
              fmt::format("oplog entry {} can not be interpreted: {}; moments before it stay "
                          "available; the entry is {}",
                          to_text(is_outer ? ts->as_timestamp() : entry.ts), what, raw));
}

Result<void> OrderCheck::accept(OpTime optime) {
  if (optime.ts <= last_.ts)
    return fail(ErrorCode::corrupt, fmt::format("oplog entry {} comes after {}: out of order",
                                                to_text(optime.ts), to_text(last_.ts)));
  if (optime.term < last_.term)
    return fail(ErrorCode::corrupt, fmt::format("oplog entry {} has term {} after term {}",
                                                to_text(optime.ts), optime.term, last_.term));
  last_ = optime;
  return {};
}

}  // namespace holdfast::oplog
