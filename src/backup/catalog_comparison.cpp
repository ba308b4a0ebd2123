#include "backup/catalog_comparison.hpp"

#include <fmt/format.h>

#include <array>
#include <set>

#include "dataset/live_catalog.hpp"
#include "oplog/catalog.hpp"

namespace holdfast::backup {

namespace {

constexpr std::array<std::string_view, 3> transaction_commands{"applyOps", "commitTransaction",
                                                               "abortTransaction"};

bool is_followed(const dataset::MongoCollection& collection) {
  return collection.uuid.has_value() && !collection.is_view();
}

std::vector<oplog::CollectionFacts> facts_of(
    const std::vector<dataset::MongoCollection>& collections) {
  std::vector<oplog::CollectionFacts> facts;
  for (const dataset::MongoCollection& collection : collections) {
    if (!is_followed(collection)) continue;
    Bytes options = collection.options.empty() ? Bytes{5, 0, 0, 0, 0} : collection.options;
    facts.push_back({*collection.uuid, collection.ns(), std::move(options), collection.indexes});
  }
  return facts;
}

// Also within a transaction.
bool changes_catalog(const oplog::Entry& entry) {
  if (entry.op != oplog::Op::command) return false;
  if (entry.command() != transaction_commands.front())
    return std::find(transaction_commands.begin(), transaction_commands.end(), entry.command()) ==
           transaction_commands.end();
  const auto operations = entry.o.find(transaction_commands.front());
  if (!operations || operations->type != bson::Type::array) return true;
  for (const auto& operation : operations->as_document()) {
    if (operation.value.type != bson::Type::document) return true;
    const auto op = operation.value.as_document().find("op");
    if (!op || op->type != bson::Type::string || op->as_text() == "c") return true;
  }
  return false;
}

// Whether one of the entries changes the catalog.
Result<bool> apply(oplog::Catalog& catalog, dataset::DocumentStream& window) {
  bool has_changes = false;
  const oplog::EntryRules rules;
  while (true) {
    const auto raw = TRY(window.next());
    if (!raw) return has_changes;
    const auto entry = TRY(oplog::Entry::parse(*raw, rules));
    has_changes = has_changes || changes_catalog(entry);
    if (entry.op != oplog::Op::command) continue;
    const bool is_of_transaction =
        std::find(transaction_commands.begin(), transaction_commands.end(), entry.command()) !=
        transaction_commands.end();
    if (is_of_transaction) continue;
    TRY(catalog.apply(entry, {entry.ts, entry.ts, 0}, oplog::Strictness::relaxed));
  }
}

}  // namespace

Result<CatalogComparison> compare_catalogs(const std::vector<dataset::MongoCollection>& first,
                                           const std::vector<dataset::MongoCollection>& second,
                                           dataset::DocumentStream& window) {
  auto catalog = TRY(oplog::Catalog::make(facts_of(first)));
  CatalogComparison comparison;
  comparison.has_changes = TRY(apply(catalog, window));
  std::set<oplog::Uuid> listed;
  for (const dataset::MongoCollection& collection : second) {
    if (!is_followed(collection)) continue;
    listed.insert(*collection.uuid);
    const auto number = catalog.find(*collection.uuid);
    if (!number) {
      comparison.unexplained.push_back(collection);
      continue;
    }
    const oplog::CatalogCollection& computed = catalog.at(*number);
    if (!computed.is_alive())
      comparison.contradictions.push_back(
          fmt::format("{} is there although the oplog says that it was dropped", collection.ns()));
    else if (computed.facts.ns != collection.ns())
      comparison.contradictions.push_back(
          fmt::format("{} is called {} by the oplog", collection.ns(), computed.facts.ns));
  }
  for (oplog::CollectionNumber number = 0; number < catalog.size(); ++number) {
    const oplog::CatalogCollection& computed = catalog.at(number);
    const bool counts = computed.is_alive() && !computed.is_excluded &&
                        !computed.facts.ns.empty() &&
                        dataset::is_backed_up(oplog::database_of(computed.facts.ns),
                                              oplog::collection_of(computed.facts.ns));
    if (counts && !listed.contains(computed.facts.uuid))
      comparison.contradictions.push_back(
          fmt::format("{} is gone and the oplog does not tell", computed.facts.ns));
  }
  return comparison;
}

}  // namespace holdfast::backup
