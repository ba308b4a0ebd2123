// create, drop, renameCollection, emptycapped, dropDatabase (docs/oplog_format.md 2.7). RELAXED
// rules: what the base already shows from the future is left or moved out of the way; a later
// entry of the same stream sets it right.
#include <fmt/format.h>

#include "oplog/catalog_change.hpp"
#include "oplog/spec_edit.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;
using bson::Value;

bool is_true(Document o, std::string_view name) {
  const auto value = o.find(name);
  return value && value->type == Type::boolean && value->as_bool();
}

Result<std::string> text_member(const Entry& entry, std::string_view name) {
  const auto value = entry.o.find(name);
  if (!value || value->type != Type::string)
    return fail(ErrorCode::malformed, fmt::format("oplog entry {}: {}: '{}' is not a string",
                                                  to_text(entry.ts), entry.command(), name));
  return std::string(value->as_text());
}

}  // namespace

// Moves another collection that holds the name out of the way.
Result<void> Catalog::make_room(const Change& change, std::string_view ns,
                                CollectionNumber keeper) {
  const auto holder = find_name(ns);
  if (!holder || *holder == keeper) return {};
  TRY(anomaly(change,
              fmt::format("the name '{}' is held by {}", ns, at(*holder).facts.uuid.hex())));
  set_name(*holder, "", change.order);
  return {};
}

Result<void> Catalog::create(const Change& change) {
  const Entry& entry = change.entry;
  if (!entry.uuid) return refuse(entry, "create without UUID");
  const auto name = TRY(text_member(entry, "create"));
  const auto ns = fmt::format("{}.{}", change.database(), name);
  if (entry.o.find("viewOn")) return refuse(entry, "create of a view");
  if (const auto known = find(*entry.uuid); known && at(*known).is_alive())
    return create_again(change, *known, ns);

  auto number = find(*entry.uuid);
  if (number) {  // dropDatabase removed a collection of the base that was yet to be created
    TRY(anomaly(change, fmt::format("collection {} was dropped before", entry.uuid->hex())));
    collections_[*number].emptied = *collections_[*number].dropped;
    collections_[*number].dropped.reset();
  } else {
    number = add(CollectionFacts{*entry.uuid, "", {}, {}});
  }
  CollectionFacts& facts = collections_[*number].facts;
  facts.options = tail_without(entry.o, "idIndex");
  facts.indexes.clear();
  const auto id_index = entry.o.find("idIndex");
  if (id_index && id_index->type == Type::document)
    facts.indexes.push_back(to_bytes(id_index->bytes));
  TRY(make_room(change, ns, *number));
  set_name(*number, ns, change.order);
  return {};
}

// RELAXED: options and indexes of the base may be newer and stay.
Result<void> Catalog::create_again(const Change& change, CollectionNumber number,
                                   std::string_view ns) {
  TRY(anomaly(change, fmt::format("collection {} exists", change.entry.uuid->hex())));
  if (at(number).facts.ns == ns) return {};
  TRY(make_room(change, ns, number));
  set_name(number, ns, change.order);
  return {};
}

Result<void> Catalog::drop(const Change& change) {
  const auto number = TRY(target(change));
  if (number) end(*number, change.order);
  return {};
}

Result<void> Catalog::rename(const Change& change) {
  const auto from = TRY(text_member(change.entry, "renameCollection"));
  const auto to = TRY(text_member(change.entry, "to"));
  if (database_of(from) != database_of(to))
    return refuse(change.entry, "a rename into another database");
  const auto number = [&]() -> std::optional<CollectionNumber> {
    if (!change.entry.uuid) return find_name(from);
    const auto known = find(*change.entry.uuid);
    return known && at(*known).is_alive() ? known : std::nullopt;
  }();
  TRY(drop_target(change, to));
  if (!number) return anomaly(change, fmt::format("the source '{}' is unknown", from));
  if (at(*number).facts.ns == to) return anomaly(change, fmt::format("'{}' is there already", to));
  if (at(*number).facts.ns != from)
    TRY(anomaly(change,
                fmt::format("the source is called '{}', not '{}'", at(*number).facts.ns, from)));
  TRY(make_room(change, to, *number));
  set_name(*number, to, change.order);
  auto& options = collections_[*number].facts.options;
  if (!is_true(change.entry.o, "stayTemp")) options = with_option(options, "temp", std::nullopt);
  return {};
}

// `dropTarget` is the UUID to drop, wherever it is now; `true` in old entries: by name.
Result<void> Catalog::drop_target(const Change& change, std::string_view to) {
  const auto value = change.entry.o.find("dropTarget");
  if (!value) return {};
  if (value->type == Type::boolean) {
    const auto named = find_name(to);
    if (value->as_bool() && named) end(*named, change.order);
    return {};
  }
  const auto uuid = Uuid::from_value(*value);
  if (!uuid) return refuse(change.entry, "a dropTarget that is neither UUID nor boolean");
  const auto number = find(*uuid);
  if (!number || !at(*number).is_alive())
    return anomaly(change, fmt::format("the collection to drop, {}, is unknown", uuid->hex()));
  end(*number, change.order);
  return {};
}

Result<void> Catalog::empty_capped(const Change& change) {
  const auto number = TRY(target(change));
  if (number) collections_[*number].emptied = change.order;
  return {};
}

Result<void> Catalog::drop_database(const Change& change) {
  for (CollectionNumber number = 0; number < size(); ++number) {
    const CatalogCollection& collection = at(number);
    const bool is_left = collection.is_alive() && !collection.facts.ns.empty() &&
                         database_of(collection.facts.ns) == change.database();
    if (!is_left) continue;
    if (!collection.is_excluded)
      TRY(anomaly(change, fmt::format("'{}' is still there", collection.facts.ns)));
    end(number, change.order);
  }
  return {};
}

}  // namespace holdfast::oplog
