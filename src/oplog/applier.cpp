#include "oplog/applier.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/ext_json.hpp"
#include "oplog/segment.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;

bool is_list(const Entry& entry) {
  return entry.command() == "applyOps";
}

// An applyOps of a user, or writes that the server grouped, upserts unless it says otherwise.
bool upserts_missing(const Entry& entry) {
  if (!entry.session.empty() && entry.txn_number) return false;
  const auto always = entry.o.find("alwaysUpsert");
  return !always || always->type != Type::boolean || always->as_bool();
}

EffectKind effect_kind_of(UpdateKind kind) {
  switch (kind) {
    case UpdateKind::delta:
      return EffectKind::delta;
    case UpdateKind::modifiers:
      return EffectKind::modifiers;
    case UpdateKind::replacement:
      break;
  }
  return EffectKind::replace;
}

std::string quoted(const bson::Value& value) {
  return bson::to_ext_json(value, bson::JsonForm::relaxed);
}

}  // namespace

Applier::Applier(Catalog& catalog, SpillStore& spill, EffectSink& sink, ApplierOptions options)
    : catalog_(catalog), sink_(sink), options_(std::move(options)), transactions_(spill) {}

// An entry that can not be read is no matter if it lies beyond T and nothing is in doubt, or if the
// base holds its effects already.
Result<Progress> Applier::pass_over(ByteView bytes, Error error) {
  const auto optime = optime_of(bytes);
  if (!optime) return fail(std::move(error));
  const bool is_beyond = optime->ts > options_.at && !transactions_.has_in_doubt(options_.at);
  const bool is_held = !is_in_range({optime->ts, optime->ts, 0}) || begins_window(optime->ts);
  if (!is_beyond && !is_held) return fail(std::move(error));
  TRY(order_.accept(*optime));
  if (is_beyond) return Progress::done;
  note(fmt::format("entry {} before the base can not be interpreted", to_text(optime->ts)));
  return Progress::more;
}

Result<Progress> Applier::accept(ByteView bytes) {
  auto parsed = Entry::parse(bytes, options_.rules);
  if (!parsed) return pass_over(bytes, std::move(parsed.error()));
  const Entry& entry = *parsed;
  TRY(order_.accept(entry.optime()));
  if (entry.ts > options_.at) return look_ahead(entry);
  ++tally_.entry_count;
  const auto shape = shape_of(entry);
  if (!transactions_.is_idle(entry, shape)) {
    auto committed = TRY(transactions_.accept(entry, shape));
    if (committed) TRY(apply_committed(std::move(*committed), entry));
  }
  if (shape != TransactionShape::none) return Progress::more;
  Origin origin{{entry.ts, entry.ts, 0}, false, 0};
  if (!is_in_range(origin.order)) return Progress::more;
  next_index_ = 0;
  auto applied = apply_operation(entry, origin);
  if (applied.has_value()) return Progress::more;
  const bool is_held = applied.error().code == ErrorCode::unsupported && begins_window(entry.ts);
  if (!is_held) return fail(std::move(applied.error()));
  note(fmt::format("entry {} before the base can not be interpreted", to_text(entry.ts)));
  return Progress::more;
}

// Beyond T only the outcome of transactions prepared at or before T matters.
Result<Progress> Applier::look_ahead(const Entry& entry) {
  if (!transactions_.has_in_doubt(options_.at)) return Progress::done;
  auto committed = TRY(transactions_.accept(entry, shape_of(entry)));
  if (committed && committed->effective <= options_.at)
    TRY(apply_committed(std::move(*committed), entry));
  return transactions_.has_in_doubt(options_.at) ? Progress::more : Progress::done;
}

Result<void> Applier::apply_committed(Transactions::Committed committed, const Entry& entry) {
  const OrderKey order{committed.effective, entry.ts, 0};
  if (!is_in_range(order)) return {};
  if (committed.is_orphan)
    return fail(ErrorCode::corrupt,
                fmt::format("the transaction committed at {} began before the first entry: the "
                            "entries start too late for this base",
                            to_text(entry.ts)));
  ++tally_.transactions_committed;
  next_index_ = 0;
  for (auto& piece : committed.pieces) {
    const auto bytes = TRY(transactions_.load(std::move(piece)));
    auto part = TRY(Entry::parse(bytes, options_.rules));
    part.wall_ms = entry.wall_ms;  // the moment it became visible
    TRY(apply_list(part, {order, false, 0}));
  }
  if (committed.includes_entry) TRY(apply_list(entry, {order, false, 0}));
  return {};
}

Result<void> Applier::apply_list(const Entry& entry, Origin origin) {
  const int depth = origin.depth++;
  return for_each_operation(entry, depth, options_.rules, [&](const Entry& inner) -> Result<void> {
    origin.order.index = next_index_;
    TRY(apply_operation(inner, origin));
    ++next_index_;
    return {};
  });
}

Result<void> Applier::apply_operation(const Entry& entry, const Origin& origin) {
  switch (entry.op) {
    case Op::insert:
    case Op::update:
    case Op::remove:
      return apply_document(entry, origin);
    case Op::command:
      return apply_command(entry, origin);
    case Op::ignored:
      ++tally_.ignored_count;
      return {};
    case Op::noop:
      return {};
  }
  return {};
}

Result<void> Applier::apply_command(const Entry& entry, const Origin& origin) {
  if (is_list(entry)) {
    Origin inner = origin;
    inner.is_upsert = upserts_missing(entry);
    return apply_list(entry, inner);
  }
  if (is_outside_base(entry)) {
    ++tally_.outside_base_count;
    return {};
  }
  is_cached_ = false;
  const auto effect = TRY(catalog_.apply(entry, origin.order, strictness_at(origin.order)));
  if (effect.is_known) return sink_.on_command(entry, origin.order);
  TRY(require_harmless(entry, options_.rules));
  ++tally_.ignored_count;
  note(fmt::format("command '{}' at {} was assumed to have no effect", entry.command(),
                   to_text(entry.ts)));
  return {};
}

// A command on a collection that the base would not hold. `create` brings the collection along.
bool Applier::is_outside_base(const Entry& entry) const {
  const auto command = entry.command();
  if (command.empty() || command == "create" || !options_.covers) return false;
  if (entry.uuid && catalog_.find(*entry.uuid)) return false;
  const auto first = entry.o.begin()->value;
  if (first.type != Type::string) return false;
  if (command == "renameCollection") {
    const auto to = entry.o.find("to");
    return !options_.covers(first.as_text()) && to && to->type == Type::string &&
           !options_.covers(to->as_text());
  }
  const auto ns = fmt::format("{}.{}", database_of(entry.ns), first.as_text());
  return is_excluded(ns) || !options_.covers(ns);
}

Result<void> Applier::apply_document(const Entry& entry, const Origin& origin) {
  const auto strictness = strictness_at(origin.order);
  const auto number = TRY(target_of(entry, strictness));
  if (!number || catalog_.at(*number).is_excluded) return {};
  auto effect = TRY(effect_of(entry, origin));
  effect.collection = *number;
  effect.strictness = strictness;
  if (entry.ns == "admin.system.version")
    note(fmt::format("document {} of admin.system.version changed at {}", quoted(effect.id),
                     to_text(entry.ts)));
  ++tally_.effect_count;
  return sink_.on_effect(effect);
}

Result<Effect> Applier::effect_of(const Entry& entry, const Origin& origin) {
  Effect effect;
  effect.order = origin.order;
  effect.is_upsert = entry.op == Op::update && (origin.is_upsert || entry.is_upsert);
  effect.wall_ms = entry.wall_ms;
  effect.body = entry.o;
  effect.id = TRY(addressed_id(entry));
  if (entry.op == Op::remove) effect.kind = EffectKind::remove;
  if (entry.op != Op::update) return effect;
  const UpdateKind kind = TRY(kind_of_update(entry, effect.id, update_check_));
  effect.kind = effect_kind_of(kind);
  return effect;
}

Result<std::optional<CollectionNumber>> Applier::target_of(const Entry& entry,
                                                           Strictness strictness) {
  const bool is_hit = is_cached_ && entry.uuid && *entry.uuid == cached_uuid_ &&
                      catalog_.at(cached_number_).facts.ns == entry.ns;
  if (is_hit) return cached_number_;
  const auto number = entry.uuid ? catalog_.find(*entry.uuid) : catalog_.find_name(entry.ns);
  if (!number || !catalog_.at(*number).is_alive()) {
    TRY(unknown_target(entry, strictness));
    return std::nullopt;
  }
  const auto& ns = catalog_.at(*number).facts.ns;
  if (strictness == Strictness::strict && ns != entry.ns)
    return fail(ErrorCode::anomaly,
                fmt::format("oplog entry {}: collection {} is called '{}', not '{}'",
                            to_text(entry.ts), entry.uuid->hex(), ns, entry.ns));
  if (entry.uuid && ns == entry.ns) {
    cached_uuid_ = *entry.uuid;
    cached_number_ = *number;
    is_cached_ = true;
  }
  return number;
}

Result<void> Applier::unknown_target(const Entry& entry, Strictness strictness) {
  if (is_excluded(entry.ns)) return {};
  if (options_.covers && !options_.covers(entry.ns)) {
    ++tally_.outside_base_count;
    return {};
  }
  if (strictness == Strictness::strict)
    return fail(ErrorCode::anomaly,
                fmt::format("oplog entry {}: collection '{}' ({}) is unknown", to_text(entry.ts),
                            entry.ns, entry.uuid ? entry.uuid->hex() : "no UUID"));
  ++tally_.unknown_collections[std::string(entry.ns)];
  return {};
}

// What the base already holds is not applied again; a fuzzy base needs all from its beginning, also
// what became visible only by an entry after it.
bool Applier::is_in_range(const OrderKey& order) const {
  switch (options_.window.kind) {
    case BaseKind::exact:
      return order.effective > options_.window.last;
    case BaseKind::file_copy:
      return order.entry > options_.window.last;
    case BaseKind::fuzzy:
      return order.entry >= options_.window.first;
  }
  return true;
}

// The entry that was the newest when the copy began: all of the copy shows what it did, so nothing
// is lost if it can not be replayed.
bool Applier::begins_window(Timestamp ts) const {
  return options_.window.kind == BaseKind::fuzzy && ts == options_.window.first;
}

Strictness Applier::strictness_at(const OrderKey& order) const {
  const bool is_relaxed =
      options_.window.kind == BaseKind::fuzzy && order.effective <= options_.window.last;
  return is_relaxed ? Strictness::relaxed : Strictness::strict;
}

Result<void> feed(EntrySource& entries, Applier& applier) {
  while (true) {
    const auto bytes = TRY(entries.next());
    if (!bytes) return {};
    const auto progress = TRY(applier.accept(*bytes));
    if (progress == Progress::done) return {};
  }
}

void Applier::note(std::string sentence) {
  if (tally_.notes.size() < notes_max) tally_.notes.push_back(std::move(sentence));
}

}  // namespace holdfast::oplog
