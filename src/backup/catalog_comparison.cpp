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

Result<void> apply(oplog::Catalog& catalog, dataset::DocumentStream& window) {
  const oplog::EntryRules rules;
  while (true) {
    const auto raw = TRY(window.next());
    if (!raw) return {};
    const auto entry = TRY(oplog::Entry::parse(*raw, rules));
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
  TRY(apply(catalog, window));
  CatalogComparison comparison;
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
