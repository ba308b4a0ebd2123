#include "oplog/materialise.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_set>

#include "bson/builder.hpp"
#include "bson/key.hpp"
#include "oplog/collection_merge.hpp"

namespace holdfast::oplog {

namespace {

using UuidSet = std::unordered_set<Uuid, UuidHash>;

// Puts effects into the sorter.
class EffectCollector final : public EffectSink {
 public:
  EffectCollector(const Catalog& catalog, OpSorter& sorter, const UuidSet* selected)
      : catalog_(catalog), sorter_(sorter), selected_(selected) {}

  Result<void> on_effect(const Effect& effect) override {
    if (!is_selected(effect.collection)) return {};
    key_.clear();
    bson::append_key(effect.id, key_);
    OpRecord op = record_of(effect, catalog_.at(effect.collection).facts);
    op.key = key_;
    if (!effect.is_upsert) return sorter_.add(op);
    const Bytes body = upsert_body(effect.id, effect.body);
    op.body = body;
    return sorter_.add(op);
  }
  Result<void> on_command(const Entry&, const OrderKey&) override { return {}; }

 private:
  bool is_selected(CollectionNumber number) const {
    return selected_ == nullptr || selected_->contains(catalog_.at(number).facts.uuid);
  }

  const Catalog& catalog_;
  OpSorter& sorter_;
  const UuidSet* selected_;
  Bytes key_;
};

ApplierOptions applier_options(const BaseSource& base, const MaterialiseOptions& options) {
  return {options.at, base.window(), options.rules,
          [&base](std::string_view ns) { return base.covers(ns); }};
}

// An exact base is its own moment; nothing needs to be read.
bool is_base_moment(const BaseWindow& window, Timestamp at) {
  return window.kind != BaseKind::fuzzy && window.last == at;
}

// The collections that bear a wanted name at T, and all system.views: their documents are asked
// about one by one.
Result<UuidSet> select(BaseSource& base, EntrySource& entries, SpillStore& spill,
                       const MaterialiseOptions& options) {
  const auto facts = TRY(base.collections());
  auto catalog = TRY(Catalog::make(facts));
  NoEffects sink;
  Applier applier(catalog, spill, sink, applier_options(base, options));
  if (!is_base_moment(base.window(), options.at)) TRY(feed(entries, applier));
  UuidSet selected;
  for (CollectionNumber number = 0; number < catalog.size(); ++number) {
    const auto& collection = catalog.at(number);
    const bool is_selected =
        collection_of(collection.facts.ns) == "system.views" || options.wanted(collection.facts.ns);
    if (collection.is_alive() && is_selected) selected.insert(collection.facts.uuid);
  }
  TRY(entries.rewind());
  return selected;
}

// {_id: "db.view", viewOn, pipeline, collation?}
std::optional<ViewFacts> view_of(std::string_view database, ByteView document) {
  const auto definition = bson::Document::trusted(document);
  const auto id = definition.find("_id");
  const bool is_named = id && id->type == bson::Type::string &&
                        id->as_text().starts_with(std::string(database) + ".");
  if (!is_named) return std::nullopt;
  bson::Builder options;
  for (const auto& element : definition) {
    if (element.name != "_id") options.append_raw(element.raw);
  }
  return ViewFacts{std::string(id->as_text()), to_bytes(document), options.take()};
}

// One materialisation: first all entries, then collection by collection.
class Materialisation {
 public:
  Materialisation(BaseSource& base, SpillStore& spill, CollectionSink& sink,
                  const MaterialiseOptions& options, Catalog catalog)
      : base_(base),
        spill_(spill),
        sink_(sink),
        options_(options),
        catalog_(std::move(catalog)),
        anomalies_(catalog_),
        sorter_(spill, options.memory_bytes_max / 8 * 5, anomalies_,
                [this](CollectionNumber number) { return folding_of(number); }),
        state_(anomalies_) {
    report_.at = options.at;
  }

  Result<void> collect(EntrySource& entries, const UuidSet* selected);
  Result<void> write(const UuidSet* selected);
  Result<MaterialiseReport> report();

 private:
  Folding folding_of(CollectionNumber number) const {
    const auto& collection = catalog_.at(number);
    if (!collection.is_alive()) return Folding::drop;
    return collection.facts.is_capped() ? Folding::keep : Folding::fold;
  }
  bool is_wanted(std::string_view ns) const { return !options_.wanted || options_.wanted(ns); }
  Result<void> check_complete(const Applier& applier);
  std::vector<CollectionNumber> alive(const UuidSet* selected) const;
  Result<void> write_collection(CollectionNumber number);
  Result<std::unique_ptr<BaseCursor>> base_of(const CatalogCollection& collection);
  Result<CollectionTotals> copy_natural(const CatalogCollection& collection,
                                        const DocumentOut& out);
  Result<CollectionTotals> merge(CollectionNumber number, const DocumentOut& out);
  void note_view(const CollectionFacts& views, ByteView document);
  void note(std::string sentence) {
    if (report_.notes.size() < notes_max) report_.notes.push_back(std::move(sentence));
  }

  BaseSource& base_;
  SpillStore& spill_;
  CollectionSink& sink_;
  const MaterialiseOptions& options_;
  Catalog catalog_;
  Anomalies anomalies_;
  OpSorter sorter_;
  DocumentState state_;
  MaterialiseReport report_;
};

Result<void> Materialisation::collect(EntrySource& entries, const UuidSet* selected) {
  EffectCollector collector(catalog_, sorter_, selected);
  Applier applier(catalog_, spill_, collector, applier_options(base_, options_));
  if (!is_base_moment(base_.window(), options_.at)) {
    TRY(feed(entries, applier));
    TRY(check_complete(applier));
  }
  sorter_.finish();
  const auto& tally = applier.tally();
  report_.newest_entry = applier.newest();
  report_.entry_count = tally.entry_count;
  report_.effect_count = tally.effect_count;
  report_.outside_base_count = tally.outside_base_count;
  report_.ignored_command_count = tally.ignored_count + catalog_.ignored_count();
  report_.transactions_committed = tally.transactions_committed;
  report_.transactions_aborted = applier.transactions().died_count();
  report_.spilled_bytes = applier.transactions().spilled_bytes();
  for (const auto& [ns, count] : tally.unknown_collections)
    report_.anomalies[ns].unknown_collection = count;
  for (const auto& sentence : tally.notes) note(sentence);
  return {};
}

Result<void> Materialisation::check_complete(const Applier& applier) {
  if (applier.newest() < options_.at)
    return fail(ErrorCode::no_point, fmt::format("the entries end at {}, before {}",
                                                 to_text(applier.newest()), to_text(options_.at)));
  const auto in_doubt = applier.transactions().in_doubt(options_.at);
  if (!in_doubt.empty() && options_.in_doubt == InDoubt::refuse)
    return fail(ErrorCode::conflict,
                fmt::format("at {} the outcome of {} prepared transactions is unknown: {}",
                            to_text(options_.at), in_doubt.size(), fmt::join(in_doubt, "; ")));
  report_.transactions_in_doubt = in_doubt.size();
  for (const auto& name : in_doubt) note(fmt::format("taken as not committed: {}", name));
  const auto hidden = catalog_.hidden();
  if (!hidden.empty())
    return fail(ErrorCode::anomaly,
                fmt::format("collection {} lost its name to another and got none back: the base "
                            "and the entries do not fit",
                            hidden.front().hex()));
  if (catalog_.anomaly_count() > 0)
    note(fmt::format("{} commands met what the fuzzy base already showed",
                     catalog_.anomaly_count()));
  return {};
}

std::vector<CollectionNumber> Materialisation::alive(const UuidSet* selected) const {
  std::vector<CollectionNumber> numbers;
  for (CollectionNumber number = 0; number < catalog_.size(); ++number) {
    const auto& collection = catalog_.at(number);
    const bool is_selected = selected == nullptr || selected->contains(collection.facts.uuid);
    if (collection.is_alive() && !collection.is_excluded && is_selected) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end(), [this](auto left, auto right) {
    return catalog_.at(left).facts.ns < catalog_.at(right).facts.ns;
  });
  return numbers;
}

Result<void> Materialisation::write(const UuidSet* selected) {
  for (const auto number : alive(selected)) {
    TRY(write_collection(number).while_doing("materialising " + catalog_.at(number).facts.ns));
  }
  return {};
}

Result<void> Materialisation::write_collection(CollectionNumber number) {
  const auto& collection = catalog_.at(number);
  const auto& facts = collection.facts;
  const bool is_views = collection_of(facts.ns) == "system.views";
  const bool is_written = is_wanted(facts.ns);
  if (is_written)
    TRY(sink_.begin({facts, facts.is_temporary(), facts.is_clustered(), facts.is_capped(),
                     !collection.is_in_base}));
  const auto totals = TRY(merge(number, [&](ByteView document) -> Result<void> {
    if (is_views) note_view(facts, document);
    if (is_written) return sink_.document(document);
    return {};
  }));
  if (is_written) return sink_.end(totals);
  return {};
}

Result<std::unique_ptr<BaseCursor>> Materialisation::base_of(const CatalogCollection& collection) {
  if (!collection.is_in_base || collection.emptied) return empty_cursor();
  auto reader = TRY(base_.documents(collection.facts));
  // All views are looked at, changed or not.
  const bool is_views = collection_of(collection.facts.ns) == "system.views";
  const CursorTools tools{spill_, options_.memory_bytes_max / 8, anomalies_,
                          is_views ? LeaveOut::nothing : LeaveOut::unchanged};
  return open_cursor(std::move(reader), collection.facts.ns, tools);
}

Result<CollectionTotals> Materialisation::copy_natural(const CatalogCollection& collection,
                                                       const DocumentOut& out) {
  auto reader = TRY(base_.documents(collection.facts));
  auto* const stretches = reader->stretches();
  if (stretches != nullptr) stretches->unchanged_below(std::nullopt);
  CollectionTotals totals;
  while (true) {
    const auto bytes = TRY(reader->next());
    if (!bytes) break;
    TRY(bson::Document::validate(*bytes));
    ++totals.document_count;
    totals.document_bytes += bytes->size();
    TRY(out(*bytes));
  }
  if (stretches != nullptr) {
    totals.document_count += stretches->left_out_count();
    totals.document_bytes += stretches->left_out_bytes();
  }
  return totals;
}

Result<CollectionTotals> Materialisation::merge(CollectionNumber number, const DocumentOut& out) {
  const auto& collection = catalog_.at(number);
  const bool is_capped = collection.facts.is_capped();
  const bool is_unchanged = !sorter_.has(number) && collection.is_in_base && !collection.emptied;
  if (is_capped && is_unchanged) return copy_natural(collection, out);
  const auto base = TRY(base_of(collection));
  const auto ops = sorter_.stream(number);
  MergeTools tools{spill_, anomalies_, state_, options_.memory_bytes_max / 8};
  if (is_capped) return merge_capped(*base, *ops, collection, tools, out);
  return merge_by_id(*base, *ops, collection, tools, out);
}

void Materialisation::note_view(const CollectionFacts& views, ByteView document) {
  auto view = view_of(database_of(views.ns), document);
  if (!view) return note(fmt::format("a document of {} is not a view of its database", views.ns));
  if (is_wanted(view->ns)) report_.views.push_back(std::move(*view));
}

Result<MaterialiseReport> Materialisation::report() {
  report_.binary_patch_count = sorter_.binary_patch_count() + state_.binary_patch_count();
  report_.spilled_bytes += sorter_.spilled_bytes();
  report_.spilled_run_count = sorter_.spilled_run_count();
  for (const auto& [ns, counts] : anomalies_.by_namespace()) {
    auto& sum = report_.anomalies[ns];
    const auto unknown = sum.unknown_collection;
    sum = counts;
    sum.unknown_collection = unknown;
  }
  for (auto& build : catalog_.builds_in_progress()) {
    if (is_wanted(build.ns)) report_.index_builds.push_back(std::move(build));
  }
  std::sort(report_.views.begin(), report_.views.end(),
            [](const auto& left, const auto& right) { return left.ns < right.ns; });
  return std::move(report_);
}

}  // namespace

Result<MaterialiseReport> materialise(BaseSource& base, EntrySource& entries, SpillStore& spill,
                                      CollectionSink& sink, const MaterialiseOptions& options) {
  const auto window = base.window();
  if (options.at < window.last)
    return fail(ErrorCode::no_point, fmt::format("the base is consistent from {} on; {} is before",
                                                 to_text(window.last), to_text(options.at)));
  std::optional<UuidSet> selected;
  if (options.wanted) selected = TRY(select(base, entries, spill, options));
  const UuidSet* const selection = selected ? &*selected : nullptr;

  auto facts = TRY(base.collections());
  auto catalog = TRY(Catalog::make(std::move(facts)));
  Materialisation work(base, spill, sink, options, std::move(catalog));
  TRY(work.collect(entries, selection));
  TRY(work.write(selection));
  return work.report();
}

}  // namespace holdfast::oplog
