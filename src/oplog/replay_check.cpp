#include "oplog/replay_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "oplog/applier.hpp"

namespace holdfast::oplog {

namespace {

// The collection that a command names; empty: none.
std::string namespace_of(const Entry& entry) {
  const auto first = entry.o.begin()->value;
  if (first.type != bson::Type::string) return {};
  if (entry.command() == "renameCollection") return std::string(first.as_text());
  return fmt::format("{}.{}", database_of(entry.ns), first.as_text());
}

}  // namespace

Result<void> ReplayCheck::check(ByteView entry) {
  const auto parsed = TRY(Entry::parse(entry, rules_));
  return check(parsed, 0);
}

Result<void> ReplayCheck::check(const Entry& entry, int depth) {
  switch (entry.op) {
    case Op::insert:
    case Op::update:
    case Op::remove:
      return check_document(entry);
    case Op::command:
      break;
    default:
      return {};
  }
  const auto shape = shape_of(entry);
  if (shape == TransactionShape::commit || shape == TransactionShape::abort) return {};
  return entry.command() == "applyOps" ? check_list(entry, depth) : check_command(entry);
}

Result<void> ReplayCheck::check_document(const Entry& entry) {
  if (is_excluded(entry.ns)) return {};
  const auto addressed = entry.op == Op::update ? entry.o2->find("_id") : entry.o.find("_id");
  if (!addressed) return refuse(entry, "an operation without _id");
  if (entry.op != Op::update) return {};
  const auto kind = updates_.check(entry.o);
  if (!kind) return refuse(entry, kind.error().message);
  const auto id = entry.o.find("_id");
  if (*kind == UpdateKind::replacement && id && !is_same_identity(*addressed, *id))
    return refuse(entry, "a replacement with another _id");
  return {};
}

Result<void> ReplayCheck::check_list(const Entry& entry, int depth) {
  if (depth >= nested_lists_max) return refuse(entry, "applyOps nested too deeply");
  const auto list = TRY(operations_of(entry));
  for (const auto& element : list) {
    if (element.value.type != bson::Type::document)
      return refuse(entry, "an operation of applyOps that is not a document");
    const auto inner = TRY(Entry::parse_inner(element.value.as_document(), entry, rules_));
    TRY(check(inner, depth + 1));
  }
  return {};
}

// Applied to a catalog that has just the collection it names.
Result<void> ReplayCheck::check_command(const Entry& entry) const {
  const std::string ns = namespace_of(entry);
  if (is_excluded(ns)) return {};
  std::vector<CollectionFacts> named;
  if (entry.uuid && !ns.empty() && entry.command() != "create")
    named.push_back({*entry.uuid, ns, bson::Builder().take(), {}});
  auto catalog = TRY(Catalog::make(std::move(named)));
  const auto effect = TRY(catalog.apply(entry, {entry.ts, entry.ts, 0}, Strictness::relaxed));
  const auto& assumed = rules_.assumed_noop_commands;
  const bool is_known = effect.is_known ||
                        std::find(assumed.begin(), assumed.end(), entry.command()) != assumed.end();
  if (!is_known) return refuse(entry, fmt::format("unknown command '{}'", entry.command()));
  return {};
}

}  // namespace holdfast::oplog
