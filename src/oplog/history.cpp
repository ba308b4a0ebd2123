#include "oplog/history.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/key.hpp"
#include "oplog/document_state.hpp"

namespace holdfast::oplog {

namespace {

bool ever_bears(const CatalogCollection& collection, std::string_view ns) {
  return std::any_of(collection.names.begin(), collection.names.end(),
                     [&](const auto& name) { return name.second == ns; });
}

std::string name_at(const CatalogCollection& collection, const OrderKey& order) {
  std::string name;
  for (const auto& [from, ns] : collection.names) {
    if (from <= order) name = ns;
  }
  return name;
}

VersionKind kind_of(EffectKind kind) {
  switch (kind) {
    case EffectKind::insert:
      return VersionKind::insert;
    case EffectKind::replace:
      return VersionKind::replace;
    case EffectKind::remove:
      return VersionKind::remove;
    case EffectKind::delta:
    case EffectKind::modifiers:
      break;
  }
  return VersionKind::update;
}

// Follows the document in every collection that bears the name at some time.
class Tracker final : public EffectSink {
 public:
  Tracker(const Catalog& catalog, const std::vector<Uuid>& uuids, const HistoryRequest& request,
          BaseWindow window)
      : catalog_(catalog),
        uuids_(uuids),
        request_(request),
        window_(window),
        anomalies_(catalog),
        key_(bson::key_of(request.id)),
        is_base_shown_(false) {}

  Result<void> start(const BaseLookup& lookup);
  Result<void> on_effect(const Effect& effect) override;
  Result<void> on_command(const Entry& entry, const OrderKey& order) override;
  std::vector<DocumentVersion> finish();

 private:
  struct Tracked {
    explicit Tracked(Anomalies& anomalies) : state(anomalies) {}
    DocumentState state;
    Bytes base;
    std::optional<OrderKey> dropped;
    std::optional<OrderKey> emptied;
  };

  bool is_tracked(CollectionNumber number) const {
    const auto& uuid = catalog_.at(number).facts.uuid;
    return std::find(uuids_.begin(), uuids_.end(), uuid) != uuids_.end();
  }
  Tracked& tracked(CollectionNumber number);
  // What lies inside the window of a fuzzy base is not a state that ever was.
  bool is_shown(const OrderKey& order) const {
    return window_.kind != BaseKind::fuzzy || order.effective > window_.last;
  }
  void show_base();
  void show(VersionKind kind, const OrderKey& order, std::int64_t wall_ms, CollectionNumber number);
  Result<void> check_size() const;

  const Catalog& catalog_;
  const std::vector<Uuid>& uuids_;
  const HistoryRequest& request_;
  BaseWindow window_;
  Anomalies anomalies_;
  Bytes key_;
  Bytes effect_key_;
  bool is_base_shown_;
  std::map<CollectionNumber, Tracked> tracked_;
  std::vector<DocumentVersion> versions_;
  std::size_t bytes_ = 0;
};

Tracker::Tracked& Tracker::tracked(CollectionNumber number) {
  return tracked_.try_emplace(number, anomalies_).first->second;
}

Result<void> Tracker::start(const BaseLookup& lookup) {
  for (CollectionNumber number = 0; number < catalog_.size(); ++number) {
    if (!is_tracked(number)) continue;
    auto document = TRY(lookup(catalog_.at(number).facts, request_.id));
    if (!document) continue;
    TRY(bson::Document::validate(*document));
    Tracked& item = tracked(number);
    item.base = std::move(*document);
    item.state.start_present(item.base, {});
  }
  return {};
}

Result<void> Tracker::on_effect(const Effect& effect) {
  if (!is_tracked(effect.collection)) return {};
  effect_key_.clear();
  bson::append_key(effect.id, effect_key_);
  if (effect_key_ != key_) return {};
  if (is_shown(effect.order)) show_base();
  Tracked& item = tracked(effect.collection);
  const bool was_present = item.state.is_present();
  OpRecord op = record_of(effect, catalog_.at(effect.collection).facts);
  op.key = effect_key_;
  Bytes body;
  if (effect.is_upsert) {
    body = upsert_body(effect.id, effect.body);
    op.body = body;
  }
  TRY(item.state.apply(op));
  const bool is_changed = was_present || item.state.is_present();
  if (is_changed && is_shown(effect.order))
    show(kind_of(effect.kind), effect.order, effect.wall_ms, effect.collection);
  return check_size();
}

Result<void> Tracker::check_size() const {
  if (bytes_ <= history_bytes_max) return {};
  return fail(ErrorCode::limit_exceeded,
              fmt::format("the versions of this document up to {} fill more than 256 MiB",
                          to_text(versions_.back().order.entry)));
}

// The end of a collection is the end of the document.
Result<void> Tracker::on_command(const Entry& entry, const OrderKey& order) {
  if (is_shown(order)) show_base();
  for (auto& [number, item] : tracked_) {
    const auto& collection = catalog_.at(number);
    const bool is_dropped = collection.dropped && collection.dropped != item.dropped;
    const bool is_emptied = collection.emptied && collection.emptied != item.emptied;
    item.dropped = collection.dropped;
    item.emptied = collection.emptied;
    if ((!is_dropped && !is_emptied) || !item.state.is_present()) continue;
    item.state.start_absent();
    if (is_shown(order))
      show(is_dropped ? VersionKind::collection_dropped : VersionKind::collection_emptied, order,
           entry.wall_ms, number);
  }
  return {};
}

void Tracker::show_base() {
  if (std::exchange(is_base_shown_, true)) return;
  for (auto& [number, item] : tracked_) {
    if (!item.state.is_present()) continue;
    show(VersionKind::base, {window_.last, window_.last, 0}, 0, number);
  }
}

void Tracker::show(VersionKind kind, const OrderKey& order, std::int64_t wall_ms,
                   CollectionNumber number) {
  const auto& collection = catalog_.at(number);
  DocumentVersion version{kind, order, wall_ms, collection.facts.uuid, name_at(collection, order),
                          {}};
  const Tracked& item = tracked(number);
  if (item.state.is_present()) version.document = to_bytes(item.state.document());
  bytes_ += sizeof version + item.state.document().size();
  versions_.push_back(std::move(version));
}

std::vector<DocumentVersion> Tracker::finish() {
  show_base();
  std::stable_sort(versions_.begin(), versions_.end(),
                   [](const auto& left, const auto& right) { return left.order < right.order; });
  return std::move(versions_);
}

// All collections that bear the name at some time up to `to`.
Result<std::vector<Uuid>> uuids_of(BaseSource& base, EntrySource& entries, SpillStore& spill,
                                   const ApplierOptions& options, std::string_view ns) {
  auto facts = TRY(base.collections());
  auto catalog = TRY(Catalog::make(std::move(facts)));
  NoEffects sink;
  Applier applier(catalog, spill, sink, options);
  TRY(feed(entries, applier));
  std::vector<Uuid> uuids;
  for (CollectionNumber number = 0; number < catalog.size(); ++number) {
    if (ever_bears(catalog.at(number), ns)) uuids.push_back(catalog.at(number).facts.uuid);
  }
  TRY(entries.rewind());
  return uuids;
}

}  // namespace

std::string_view name_of(VersionKind kind) {
  switch (kind) {
    case VersionKind::base:
      return "base";
    case VersionKind::insert:
      return "insert";
    case VersionKind::update:
      return "update";
    case VersionKind::replace:
      return "replace";
    case VersionKind::remove:
      return "remove";
    case VersionKind::collection_dropped:
      return "collection dropped";
    case VersionKind::collection_emptied:
      return "collection emptied";
  }
  return "unknown";
}

Result<std::vector<DocumentVersion>> history_of(BaseSource& base, const BaseLookup& lookup,
                                                EntrySource& entries, SpillStore& spill,
                                                const HistoryRequest& request) {
  const auto window = base.window();
  const ApplierOptions options{request.to, window, request.rules,
                               [&base](std::string_view ns) { return base.covers(ns); }};
  const auto uuids = TRY(uuids_of(base, entries, spill, options, request.ns));
  auto facts = TRY(base.collections());
  auto catalog = TRY(Catalog::make(std::move(facts)));
  Tracker tracker(catalog, uuids, request, window);
  TRY(tracker.start(lookup));
  Applier applier(catalog, spill, tracker, options);
  TRY(feed(entries, applier));
  return tracker.finish();
}

}  // namespace holdfast::oplog
