#include "oplog/mass_change.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "oplog/facts.hpp"
#include "oplog/mass_change_groups.hpp"
#include "oplog/segment.hpp"
#include "oplog/transactions.hpp"
#include "oplog/update_shape.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;

constexpr std::size_t scan_notes_max = 20;
constexpr int scan_depth_max = 10;
// Drops that a dropDatabase did before it.
constexpr std::uint32_t database_drop_seconds = 60;

Timestamp tick_before(Timestamp ts) {
  if (ts.ordinal > 0) return {ts.seconds, ts.ordinal - 1};
  return {ts.seconds == 0 ? 0 : ts.seconds - 1, UINT32_MAX};
}

bool is_ignored_by_default(std::string_view ns) {
  const std::string_view db = database_of(ns);
  const std::string_view name = collection_of(ns);
  if (db == "config" || db == "local") return true;
  if (name.starts_with("tmp.agg_out.") || name.starts_with("tmp.mr.")) return true;
  return name.starts_with("system.") && name != "system.users" && name != "system.roles" &&
         name != "system.js" && !name.starts_with("system.buckets.");
}

std::string text_of(Document o, std::string_view field) {
  const auto value = o.find(field);
  return value && value->type == Type::string ? std::string(value->as_text()) : std::string();
}

// How an operation came to be.
struct Cause {
  Statement statement = Statement::many;
  OpTime time;
  Timestamp before;
  std::int64_t wall_ms = 0;
  ByteView session;
};

bool is_drop(const MassChange& change) {
  return change.kind == MassKind::drop || change.kind == MassKind::drop_database ||
         change.kind == MassKind::emptied || change.kind == MassKind::replaced_by_rename;
}

}  // namespace

std::string_view name_of(MassKind kind) {
  switch (kind) {
    case MassKind::deletes:
      return "deletes";
    case MassKind::updates:
      return "updates";
    case MassKind::replacements:
      return "replacements";
    case MassKind::drop:
      return "drop";
    case MassKind::drop_database:
      return "dropDatabase";
    case MassKind::emptied:
      return "emptycapped";
    case MassKind::replaced_by_rename:
      return "rename over it";
  }
  return "unknown";
}

std::string_view name_of(Statement statement) {
  switch (statement) {
    case Statement::many:
      return "many documents in one statement";
    case Statement::single:
      return "single documents, retryable";
    case Statement::transaction:
      return "transaction";
    case Statement::apply_ops:
      return "grouped by the server";
    case Statement::command:
      return "command";
    case Statement::expiry:
      return "expiry (TTL)";
  }
  return "unknown";
}

class MassChangeScan::Impl {
 public:
  Impl(SpillStore& spill, MassChangeOptions options)
      : options_(std::move(options)), transactions_(spill) {}

  Result<void> accept(ByteView bytes);
  MassChangeReport finish();

 private:
  // What is cheap to know of every entry.
  struct Head {
    std::string_view op;
    OpTime time;
  };
  static Result<Head> head_of(ByteView bytes);

  void interpret(ByteView bytes, const Head& head);
  Result<void> follow(const Entry& entry);
  Result<void> take_committed(Transactions::Committed committed, const Entry& entry);
  Result<void> take_list(const Entry& list, const Cause& cause, int depth);
  Result<void> take(const Entry& entry, const Cause& cause, int depth);
  void take_document(const Entry& entry, const Cause& cause);
  void take_command(const Entry& entry, const Cause& cause);
  void add_command(MassChange change, const Entry& entry, const Cause& cause);
  void join_drops(MassChange& database);
  bool is_ignored(std::string_view ns) const {
    return options_.is_ignored ? options_.is_ignored(ns) : is_ignored_by_default(ns);
  }
  bool is_in_range(const Cause& cause) const { return cause.time.ts >= options_.from; }
  void keep(MassChange change);
  void trim();
  void not_readable(const Head& head, const Error& error);

  MassChangeOptions options_;
  Transactions transactions_;
  UpdateCheck update_check_;
  MassChangeReport report_;
  MassChangeGroups groups_{options_, [this](MassChange change) { keep(std::move(change)); }};
  Timestamp previous_;
};

Result<MassChangeScan::Impl::Head> MassChangeScan::Impl::head_of(ByteView bytes) {
  Head head;
  head.time = TRY(optime_of(bytes));
  const auto op = Document::trusted(bytes).find("op");
  if (op && op->type == Type::string) head.op = op->as_text();
  return head;
}

Result<void> MassChangeScan::Impl::accept(ByteView bytes) {
  const Head head = TRY(head_of(bytes));
  const bool is_counted = head.time.ts >= options_.from;
  if (is_counted) {
    ++report_.entry_count;
    if (!report_.first_entry) report_.first_entry = head.time;
    report_.last_entry = head.time;
  }
  // Inserts and no-ops matter only to transactions that are open.
  const bool is_plain = head.op != "d" && head.op != "u" && head.op != "c";
  if (!is_plain || transactions_.has_open()) interpret(bytes, head);
  previous_ = head.time.ts;
  return {};
}

// What can not be read is no reason to stop looking.
void MassChangeScan::Impl::interpret(ByteView bytes, const Head& head) {
  const auto entry = Entry::parse(bytes, options_.rules);
  if (!entry.has_value()) return not_readable(head, entry.error());
  const auto followed = follow(*entry);
  if (!followed.has_value()) not_readable(head, followed.error());
}

void MassChangeScan::Impl::not_readable(const Head& head, const Error& error) {
  ++report_.unreadable_count;
  if (report_.notes.size() < scan_notes_max)
    report_.notes.push_back(
        fmt::format("entry {} was left out: {}", to_text(head.time.ts), error.message));
}

Result<void> MassChangeScan::Impl::follow(const Entry& entry) {
  const auto shape = shape_of(entry);
  if (!transactions_.is_idle(entry, shape)) {
    auto committed = TRY(transactions_.accept(entry, shape));
    if (committed) return take_committed(std::move(*committed), entry);
  }
  if (shape != TransactionShape::none) return {};
  const bool has_statement = !entry.session.empty() && entry.txn_number.has_value();
  const Cause cause{has_statement ? Statement::single : Statement::many, entry.optime(),
                    previous_ == Timestamp{} ? tick_before(entry.ts) : previous_, entry.wall_ms,
                    has_statement ? entry.session : ByteView()};
  return take(entry, cause, 0);
}

Result<void> MassChangeScan::Impl::take_committed(Transactions::Committed committed,
                                                  const Entry& entry) {
  const bool is_prepared = committed.effective < entry.ts;
  const Cause cause{
      Statement::transaction, entry.optime(),
      is_prepared || previous_ == Timestamp{} ? tick_before(committed.effective) : previous_,
      entry.wall_ms, entry.session};
  for (auto& piece : committed.pieces) {
    const Bytes bytes = TRY(transactions_.load(std::move(piece)));
    const Entry part = TRY(Entry::parse(bytes, options_.rules));
    TRY(take_list(part, cause, 0));
  }
  if (!committed.includes_entry) return {};
  return take_list(entry, cause, 0);
}

Result<void> MassChangeScan::Impl::take_list(const Entry& list, const Cause& cause, int depth) {
  if (depth == scan_depth_max) return fail(ErrorCode::limit_exceeded, "applyOps nested too deeply");
  const Document operations = TRY(operations_of(list));
  for (const auto& element : operations) {
    if (element.value.type != Type::document) continue;
    const Entry inner = TRY(Entry::parse_inner(element.value.as_document(), list, options_.rules));
    TRY(take(inner, cause, depth + 1));
  }
  return {};
}

Result<void> MassChangeScan::Impl::take(const Entry& entry, const Cause& cause, int depth) {
  if (entry.op == Op::update || entry.op == Op::remove) take_document(entry, cause);
  if (entry.op != Op::command) return {};
  if (entry.command() != "applyOps") {
    take_command(entry, cause);
    return {};
  }
  Cause inner = cause;
  if (cause.statement != Statement::transaction) inner.statement = Statement::apply_ops;
  return take_list(entry, inner, depth);
}

void MassChangeScan::Impl::take_document(const Entry& entry, const Cause& cause) {
  if (!is_in_range(cause) || is_ignored(entry.ns)) return;
  const bool is_update = entry.op == Op::update;
  const auto id = is_update ? entry.o2->find("_id") : entry.o.find("_id");
  if (!id) return;
  ++report_.change_count;
  SingleChange change;
  change.statement = cause.statement;
  change.ns = entry.ns;
  change.uuid = entry.uuid;
  change.time = cause.time;
  change.before = cause.before;
  change.wall_ms = cause.wall_ms;
  change.session = cause.session;
  change.id = *id;
  UpdateKind kind = UpdateKind::replacement;
  if (is_update) {
    const auto checked = update_check_.check(entry.o);
    if (checked.has_value()) kind = *checked;
    change.kind = kind == UpdateKind::replacement ? MassKind::replacements : MassKind::updates;
    change.shape = shape_hash(kind, entry.o);
  }
  groups_.add(change, [&] { return is_update ? shape_text(kind, entry.o) : std::string(); });
}

void MassChangeScan::Impl::take_command(const Entry& entry, const Cause& cause) {
  if (!is_in_range(cause)) return;
  const std::string_view command = entry.command();
  const std::string database(database_of(entry.ns));
  MassChange change;
  if (command == "drop") {
    change.kind = MassKind::drop;
    change.ns = database + "." + text_of(entry.o, "drop");
    change.uuid = entry.uuid;
  } else if (command == "emptycapped") {
    change.kind = MassKind::emptied;
    change.ns = database + "." + text_of(entry.o, "emptycapped");
    change.uuid = entry.uuid;
  } else if (command == "dropDatabase") {
    change.kind = MassKind::drop_database;
    change.ns = database;
  } else if (command == "renameCollection") {
    const auto target = entry.o.find("dropTarget");
    const bool is_dropped = target && (target->type == Type::binary ||
                                       (target->type == Type::boolean && target->as_bool()));
    if (!is_dropped) return;
    change.kind = MassKind::replaced_by_rename;
    change.ns = text_of(entry.o, "to");
    change.detail = "by " + text_of(entry.o, "renameCollection");
    if (const auto uuid = Uuid::from_value(*target); uuid.has_value()) change.uuid = *uuid;
  } else {
    return;
  }
  add_command(std::move(change), entry, cause);
}

void MassChangeScan::Impl::add_command(MassChange change, const Entry& entry, const Cause& cause) {
  const bool is_database = change.kind == MassKind::drop_database;
  if (is_ignored(is_database ? change.ns + ".x" : change.ns)) return;
  change.statement = Statement::command;
  change.first = change.last = cause.time;
  change.first_wall_ms = change.last_wall_ms = cause.wall_ms;
  change.before = cause.before;
  const auto records = entry.o2 ? entry.o2->find("numRecords") : std::nullopt;
  const auto count = records ? records->as_integer() : std::nullopt;
  if (count && *count > 0) change.count = static_cast<std::uint64_t>(*count);
  if (is_database) join_drops(change);
  keep(std::move(change));
}

// The server drops the collections one by one, then the database: one thing for a person.
void MassChangeScan::Impl::join_drops(MassChange& database) {
  const std::string prefix = database.ns + ".";
  const std::uint32_t end_seconds = database.first.ts.seconds;
  std::size_t collections = 0;
  std::erase_if(report_.changes, [&](const MassChange& change) {
    const bool belongs = change.kind == MassKind::drop && change.ns.starts_with(prefix) &&
                         end_seconds - change.first.ts.seconds <= database_drop_seconds;
    if (!belongs) return false;
    ++collections;
    database.count += change.count;
    if (change.before < database.before) {
      database.before = change.before;
      database.first = change.first;
      database.first_wall_ms = change.first_wall_ms;
    }
    return true;
  });
  if (collections > 0) database.detail = fmt::format("{} collections", collections);
}

void MassChangeScan::Impl::keep(MassChange change) {
  report_.changes.push_back(std::move(change));
  if (report_.changes.size() >= 2 * mass_changes_max) trim();
}

// Drops before all else, then the largest.
void MassChangeScan::Impl::trim() {
  auto& changes = report_.changes;
  if (changes.size() <= mass_changes_max) return;
  std::stable_sort(changes.begin(), changes.end(), [](const auto& left, const auto& right) {
    return std::pair(is_drop(left), left.count) > std::pair(is_drop(right), right.count);
  });
  report_.left_out_count += changes.size() - mass_changes_max;
  changes.resize(mass_changes_max);
}

MassChangeReport MassChangeScan::Impl::finish() {
  groups_.finish();
  trim();
  std::stable_sort(
      report_.changes.begin(), report_.changes.end(),
      [](const auto& left, const auto& right) { return left.first.ts < right.first.ts; });
  return std::move(report_);
}

MassChangeScan::MassChangeScan(SpillStore& spill, MassChangeOptions options)
    : impl_(std::make_unique<Impl>(spill, std::move(options))) {}
MassChangeScan::MassChangeScan(MassChangeScan&&) noexcept = default;
MassChangeScan& MassChangeScan::operator=(MassChangeScan&&) noexcept = default;
MassChangeScan::~MassChangeScan() = default;

Result<void> MassChangeScan::accept(ByteView entry) {
  return impl_->accept(entry);
}
MassChangeReport MassChangeScan::finish() {
  return impl_->finish();
}

}  // namespace holdfast::oplog
