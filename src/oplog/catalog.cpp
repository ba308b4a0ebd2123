#include "oplog/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "bson/builder.hpp"
#include "oplog/catalog_change.hpp"

namespace holdfast::oplog {

namespace {

// Commands without an effect on documents or catalog (docs/oplog_format.md 2.7, 5.4).
constexpr std::array ignored_commands = {
    std::string_view("dbCheck"),
    std::string_view("setMultikeyMetadata"),
    std::string_view("dropIdent"),
    std::string_view("modifyCollectionShardingIndexCatalog"),
    std::string_view("createDatabaseMetadata"),
    std::string_view("dropDatabaseMetadata"),
};

bool is_dry_run(bson::Document o) {
  const auto flag = o.find("dryRun");
  return flag && flag->type == bson::Type::boolean && flag->as_bool();
}

Result<CollectionFacts> validated(CollectionFacts facts) {
  if (facts.options.empty()) facts.options = bson::Builder().take();
  TRY(bson::Document::validate(facts.options).while_doing("reading options of " + facts.ns));
  for (const Bytes& spec : facts.indexes)
    TRY(bson::Document::validate(spec).while_doing("reading indexes of " + facts.ns));
  return facts;
}

}  // namespace

Result<Catalog> Catalog::make(std::vector<CollectionFacts> base) {
  Catalog catalog;
  for (CollectionFacts& given : base) {
    auto facts = TRY(validated(std::move(given)));
    if (catalog.find(facts.uuid))
      return fail(ErrorCode::corrupt,
                  fmt::format("the base has collection {} twice", facts.uuid.hex()));
    if (catalog.find_name(facts.ns))
      return fail(ErrorCode::corrupt, fmt::format("the base has the name '{}' twice", facts.ns));
    const auto ns = facts.ns;
    const auto number = catalog.add(std::move(facts));
    catalog.collections_[number].is_in_base = true;
    catalog.set_name(number, ns, OrderKey{});
  }
  return catalog;
}

std::optional<CollectionNumber> Catalog::find(const Uuid& uuid) const {
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end()) return std::nullopt;
  return found->second;
}

std::optional<CollectionNumber> Catalog::find_name(std::string_view ns) const {
  const auto found = by_name_.find(ns);
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

CollectionNumber Catalog::add(CollectionFacts facts) {
  const auto number = size();
  by_uuid_.emplace(facts.uuid, number);
  facts.ns.clear();
  collections_.push_back({std::move(facts), false, false, {}, {}, {}});
  return number;
}

// An empty name hides the collection.
void Catalog::set_name(CollectionNumber number, std::string_view ns, const OrderKey& order) {
  CatalogCollection& collection = collections_[number];
  const auto old = by_name_.find(collection.facts.ns);
  if (old != by_name_.end() && old->second == number) by_name_.erase(old);
  collection.facts.ns = ns;
  collection.names.emplace_back(order, ns);
  if (ns.empty()) return;
  collection.is_excluded = is_excluded(ns);
  by_name_.insert_or_assign(std::string(ns), number);
}

void Catalog::end(CollectionNumber number, const OrderKey& order) {
  CatalogCollection& collection = collections_[number];
  if (!collection.is_alive()) return;
  collection.dropped = order;
  const auto named = by_name_.find(collection.facts.ns);
  if (named != by_name_.end() && named->second == number) by_name_.erase(named);
  std::erase_if(builds_, [&](const auto& build) { return build.second.collection == number; });
}

Result<CommandEffect> Catalog::apply(const Entry& entry, const OrderKey& order,
                                     Strictness strictness) {
  using Handler = Result<void> (Catalog::*)(const Change&);
  struct Row {
    std::string_view command;
    Handler handler;
  };
  static constexpr Row rows[] = {
      {"create", &Catalog::create},
      {"drop", &Catalog::drop},
      {"renameCollection", &Catalog::rename},
      {"collMod", &Catalog::modify},
      {"emptycapped", &Catalog::empty_capped},
      {"dropDatabase", &Catalog::drop_database},
      {"createIndexes", &Catalog::create_indexes},
      {"startIndexBuild", &Catalog::start_build},
      {"commitIndexBuild", &Catalog::commit_build},
      {"abortIndexBuild", &Catalog::abort_build},
      {"dropIndexes", &Catalog::drop_indexes},
      {"deleteIndex", &Catalog::drop_indexes},
      {"deleteIndexes", &Catalog::drop_indexes},
      {"dropIndex", &Catalog::drop_indexes},
  };
  const auto command = entry.command();
  const Change change{entry, order, strictness};
  for (const Row& row : rows) {
    if (row.command != command) continue;
    TRY((this->*row.handler)(change));
    return CommandEffect{};
  }
  const bool is_ignored = std::find(ignored_commands.begin(), ignored_commands.end(), command) !=
                              ignored_commands.end() ||
                          (command == "importCollection" && is_dry_run(entry.o));
  if (!is_ignored) return CommandEffect{false};
  ++ignored_count_;
  return CommandEffect{};
}

Result<void> Catalog::anomaly(const Change& change, std::string what) {
  ++anomaly_count_;
  if (!change.is_strict()) return {};
  return fail(ErrorCode::anomaly,
              fmt::format("oplog entry {}: {} '{}': {}", to_text(change.entry.ts),
                          change.entry.command(), change.database(), what));
}

Result<std::optional<CollectionNumber>> Catalog::target(const Change& change) {
  std::optional<CollectionNumber> number;
  std::string what;
  if (change.entry.uuid) {
    number = find(*change.entry.uuid);
    if (number && !at(*number).is_alive()) number.reset();
    what = change.entry.uuid->hex();
  } else {
    const auto first = change.first().value;
    if (first.type != bson::Type::string)
      return refuse(change.entry, "a command without UUID and without a collection name");
    what = fmt::format("{}.{}", change.database(), first.as_text());
    number = find_name(what);
  }
  if (!number) TRY(anomaly(change, fmt::format("collection {} is unknown", what)));
  return number;
}

std::vector<IndexBuildInProgress> Catalog::builds_in_progress() const {
  std::vector<IndexBuildInProgress> builds;
  builds.reserve(builds_.size());
  for (const auto& [uuid, build] : builds_)
    builds.push_back({at(build.collection).facts.ns, uuid, build.started, build.specs});
  return builds;
}

std::vector<Uuid> Catalog::hidden() const {
  std::vector<Uuid> hidden;
  for (const CatalogCollection& collection : collections_) {
    if (collection.is_alive() && collection.facts.ns.empty())
      hidden.push_back(collection.facts.uuid);
  }
  return hidden;
}

}  // namespace holdfast::oplog
