#include "backup/synthetic_catalog.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast::backup {

namespace {

constexpr std::string_view buckets_prefix = "system.buckets.";
constexpr std::size_t touched_max = 100;
constexpr std::size_t empty_document_bytes = 5;

bool is_empty(const Bytes& options) {
  return options.size() <= empty_document_bytes;
}

// "X" for a view on `system.buckets.X`.
std::optional<std::string_view> buckets_of(const oplog::ViewFacts& view) {
  const auto on = bson::Document::trusted(view.options).find("viewOn");
  const bool is_buckets =
      on && on->type == bson::Type::string && on->as_text().starts_with(buckets_prefix);
  if (!is_buckets) return std::nullopt;
  return on->as_text();
}

tl::unexpected<Error> not_followed(const std::string& what) {
  return fail(ErrorCode::unsupported, what + ": a full backup from the server is needed");
}

}  // namespace

SyntheticCatalog::SyntheticCatalog(const dataset::MongoManifest& manifest)
    : manifest_(manifest), coverage_(manifest) {
  for (const dataset::StoredCollection& stored : manifest.collections) {
    databases_.insert(stored.facts.db);
    if (!stored.facts.uuid && stored.facts.has_documents) without_uuid_.insert(stored.facts.ns());
  }
}

// The dump left out what says how views and time series are made, and keeps the users of one
// database under another name.
void SyntheticCatalog::note_unknown(std::string_view ns) {
  const std::string_view db = oplog::database_of(ns);
  const std::string_view name = oplog::collection_of(ns);
  const bool is_in_scope =
      manifest_.scope == dataset::DumpScope::instance || databases_.contains(db);
  const bool is_structure = name == "system.views" || name.starts_with(buckets_prefix);
  const auto keeps = [&](std::string_view kept) {
    return std::any_of(without_uuid_.begin(), without_uuid_.end(),
                       [&](const std::string& each) { return each.ends_with(kept); });
  };
  const bool is_user = db == "admin" && ((name == "system.users" && keeps("$admin.system.users")) ||
                                         (name == "system.roles" && keeps("$admin.system.roles")));
  const bool is_lost =
      is_structure && is_in_scope && db != "config" && db != "local" && !coverage_.covers(ns);
  const bool matters = is_lost || is_user || without_uuid_.contains(ns);
  if (matters && touched_.size() < touched_max) touched_.emplace(ns);
}

const dataset::StoredCollection* SyntheticCatalog::find(const oplog::Uuid& uuid) const {
  for (const dataset::StoredCollection& stored : manifest_.collections) {
    if (stored.facts.uuid == uuid && stored.facts.has_documents) return &stored;
  }
  return nullptr;
}

const dataset::StoredCollection* SyntheticCatalog::find(std::string_view ns) const {
  for (const dataset::StoredCollection& stored : manifest_.collections) {
    if (stored.facts.ns() == ns) return &stored;
  }
  return nullptr;
}

dataset::MongoCollection SyntheticCatalog::describe(const oplog::CollectionFacts& facts) {
  note_unknown(facts.ns);
  dataset::MongoCollection now;
  const dataset::StoredCollection* const old = find(facts.uuid);
  if (old != nullptr) now = old->facts;
  now.db = oplog::database_of(facts.ns);
  now.name = oplog::collection_of(facts.ns);
  now.uuid = facts.uuid;
  // No options are written in two ways; the base's stays.
  if (!is_empty(now.options) || !is_empty(facts.options))
    now.options = is_empty(facts.options) ? Bytes{} : facts.options;
  now.indexes = facts.indexes;
  const bool is_changed =
      old == nullptr || now.options != old->facts.options || now.indexes != old->facts.indexes;
  if (now.name.starts_with(buckets_prefix) && is_changed) changed_buckets_.insert(now.ns());
  return now;
}

Result<dataset::MongoCollection> SyntheticCatalog::describe_view(
    const oplog::ViewFacts& view) const {
  dataset::MongoCollection now;
  now.db = oplog::database_of(view.ns);
  now.name = oplog::collection_of(view.ns);
  now.type = "view";
  now.options = view.options;
  now.has_documents = false;
  const auto buckets = buckets_of(view);
  if (!buckets) return now;
  // The server describes a time series in words of its own; they are known while they last.
  const dataset::StoredCollection* const old = find(view.ns);
  if (old == nullptr || changed_buckets_.contains(fmt::format("{}.{}", now.db, *buckets)))
    return not_followed(
        fmt::format("the time series {} was made or changed after the base", view.ns));
  return old->facts;
}

Result<std::vector<dataset::MongoCollection>> SyntheticCatalog::without_documents(
    const oplog::MaterialiseReport& report) const {
  std::vector<dataset::MongoCollection> all;
  if (!manifest_.has_system_collections) {
    for (const dataset::StoredCollection& stored : manifest_.collections) {
      if (!stored.facts.has_documents) all.push_back(stored.facts);
    }
    return all;
  }
  for (const oplog::ViewFacts& view : report.views) {
    auto facts = TRY(describe_view(view));
    all.push_back(std::move(facts));
  }
  return all;
}

std::vector<const dataset::StoredCollection*> SyntheticCatalog::without_uuid() const {
  std::vector<const dataset::StoredCollection*> all;
  for (const dataset::StoredCollection& stored : manifest_.collections) {
    if (stored.facts.has_documents && !stored.facts.uuid) all.push_back(&stored);
  }
  return all;
}

Result<void> SyntheticCatalog::check_followed(const oplog::MaterialiseReport& report) const {
  std::set<std::string, std::less<>> touched = touched_;
  for (const auto& [ns, anomalies] : report.anomalies) {
    if (anomalies.unknown_collection > 0 && without_uuid_.contains(ns)) touched.insert(ns);
  }
  if (touched.empty()) return {};
  return not_followed(
      fmt::format("{} changed since the base, which does not hold what is needed "
                  "to follow that",
                  fmt::join(touched, ", ")));
}

}  // namespace holdfast::backup
