#include "recover/restorable.hpp"

#include "bson/builder.hpp"
#include "dataset/mongo_dump.hpp"
#include "recover/live_catalog.hpp"

namespace holdfast::recover {

namespace {

constexpr std::string_view buckets_prefix = "system.buckets.";

bool is_buckets_view(ByteView options) {
  if (options.empty()) return false;
  const auto on = bson::Document::trusted(options).find("viewOn");
  return on && on->type == bson::Type::string && on->as_text().starts_with(buckets_prefix);
}

}  // namespace

std::string_view time_series_of(std::string_view collection) {
  return collection.starts_with(buckets_prefix) ? collection.substr(buckets_prefix.size())
                                                : std::string_view();
}

Restorable what_of(const MomentCollection& collection) {
  const dataset::MongoCollection& facts = collection.facts;
  if (collection.is_temporary || is_system_database(facts.db) ||
      dataset::is_node_local(facts.db, facts.name))
    return Restorable::nothing;
  if (facts.type == "timeseries") return Restorable::time_series;
  // The catalog of views lists time series as well.
  if (facts.is_view())
    return is_buckets_view(facts.options) ? Restorable::nothing : Restorable::view;
  if (facts.name == "system.views") return Restorable::view_list;
  const bool is_auth = facts.db == "admin" || facts.name.starts_with("$admin.");
  if (is_auth && facts.name.ends_with("system.users")) return Restorable::users;
  if (is_auth && facts.name.ends_with("system.roles")) return Restorable::roles;
  const bool is_system = facts.name.starts_with("system.") || facts.name.starts_with("$");
  const bool is_kept = facts.name == "system.js" || !time_series_of(facts.name).empty();
  return is_system && !is_kept ? Restorable::nothing : Restorable::documents;
}

std::string_view describe(Restorable what) {
  switch (what) {
    case Restorable::view:
      return "view";
    case Restorable::time_series:
      return "timeseries";
    case Restorable::users:
      return "users";
    case Restorable::roles:
      return "roles";
    case Restorable::view_list:
    case Restorable::nothing:
      return "";
    case Restorable::documents:
      return "collection";
  }
  return "";
}

std::optional<MomentCollection> view_of(std::string_view db, ByteView definition) {
  const auto document = bson::Document::trusted(definition);
  const std::string prefix = std::string(db) + ".";
  const auto id = document.find("_id");
  if (!id || id->type != bson::Type::string || !id->as_text().starts_with(prefix))
    return std::nullopt;
  bson::Builder options;
  for (const auto& element : document) {
    if (element.name != "_id") options.append_raw(element.raw);
  }
  MomentCollection view;
  view.facts.db = db;
  view.facts.name = id->as_text().substr(prefix.size());
  view.facts.type = "view";
  view.facts.options = options.take();
  view.facts.has_documents = false;
  if (what_of(view) != Restorable::view) return std::nullopt;
  return view;
}

Bytes create_options(ByteView options) {
  bson::Builder out;
  if (options.empty()) return out.take();
  for (const auto& element : bson::Document::trusted(options)) {
    const bool is_no_option =
        element.name == "uuid" || element.name == "temp" || element.name == "autoIndexId";
    if (!is_no_option) out.append_raw(element.raw);
  }
  return out.take();
}

}  // namespace holdfast::recover
