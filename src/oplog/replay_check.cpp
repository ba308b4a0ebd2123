#include "oplog/replay_check.hpp"

#include <fmt/format.h>

#include "bson/builder.hpp"
#include "oplog/catalog.hpp"
#include "oplog/entry_check.hpp"
#include "oplog/transactions.hpp"

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
  if (entry.command() != "applyOps") return check_command(entry);
  return for_each_operation(entry, depth, rules_,
                            [&](const Entry& inner) { return check(inner, depth + 1); });
}

Result<void> ReplayCheck::check_document(const Entry& entry) {
  if (is_excluded(entry.ns)) return {};
  const auto addressed = TRY(addressed_id(entry));
  if (entry.op == Op::update) TRY(kind_of_update(entry, addressed, updates_));
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
  return effect.is_known ? Result<void>() : require_harmless(entry, rules_);
}

}  // namespace holdfast::oplog
