#include "recover/moment_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "catalog/mongo_points.hpp"
#include "catalog/stored_base.hpp"
#include "dataset/spill_files.hpp"
#include "oplog/applier.hpp"

namespace holdfast::recover {

namespace {

// Which base, and what is to be computed on it.
struct MomentPlan {
  repo::StoredSnapshot base;
  std::optional<catalog::MomentChoice> choice;  // none: the base as it is
  std::string moment;
};

Result<MomentPlan> plan_from_snapshot(const repo::Repository& repository,
                                      const std::string& snapshot) {
  const auto stored = TRY(repository.find_snapshot(snapshot));
  const auto& tags = stored.snapshot.tags;
  const bool is_base = std::find(tags.begin(), tags.end(), dataset::base_tag) != tags.end();
  if (!is_base)
    return fail(ErrorCode::usage,
                fmt::format("snapshot {} is no base of a database", stored.id.short_hex()));
  return MomentPlan{stored, std::nullopt, "snapshot " + stored.id.short_hex() + " as it is"};
}

Result<MomentPlan> plan_from_moment(const catalog::MongoPoints& points,
                                    const MomentRequest& request) {
  const catalog::Moment moment = TRY(catalog::parse_moment(request.at));
  const auto choice = catalog::choose_moment(points.timeline(), points.windows(), moment);
  const bool only_timeless = points.bases().empty() && !points.timeless().empty();
  if (!choice.has_value() && only_timeless && moment.kind == catalog::MomentKind::newest) {
    const auto& base = points.timeless().back();
    return MomentPlan{base, std::nullopt, "the newest dump as it is: it does not tell its time"};
  }
  if (!choice.has_value()) return fail(choice.error());
  const std::string text = moment.kind == catalog::MomentKind::newest
                               ? catalog::describe(choice->at)
                               : catalog::describe(moment);
  return MomentPlan{points.bases()[choice->window.base].stored, *choice, text};
}

MomentCollection describe_computed(const oplog::CollectionFacts& facts) {
  const NamespaceName name = split_namespace(facts.ns);
  MomentCollection out;
  out.facts.db = name.db;
  out.facts.name = name.collection;
  out.facts.uuid = facts.uuid;
  out.facts.options = facts.options;
  out.facts.indexes = facts.indexes;
  out.is_temporary = facts.is_temporary();
  out.is_capped = facts.is_capped();
  return out;
}

MomentCollection describe_view(const oplog::ViewFacts& view) {
  const NamespaceName name = split_namespace(view.ns);
  MomentCollection out;
  out.facts.db = name.db;
  out.facts.name = name.collection;
  out.facts.type = "view";
  out.facts.options = view.options;
  out.facts.has_documents = false;
  return out;
}

MomentCollection describe_stored(const dataset::StoredCollection& stored) {
  MomentCollection out;
  out.facts = stored.facts;
  out.is_capped = stored.facts.is_capped();
  if (stored.facts.has_documents) out.digest = stored.digest;
  return out;
}

// The engine's calls as those of a moment.
class ComputedSink final : public oplog::CollectionSink {
 public:
  explicit ComputedSink(MomentSink& sink) : sink_(sink) {}
  Result<void> begin(const oplog::CollectionAtT& collection) override {
    MomentCollection out = describe_computed(collection.facts);
    out.is_temporary = collection.is_temporary;
    out.is_capped = collection.is_capped;
    return sink_.begin(out);
  }
  Result<void> document(ByteView document) override { return sink_.document(document); }
  Result<void> end(const oplog::CollectionTotals& totals) override { return sink_.end(totals); }

 private:
  MomentSink& sink_;
};

class NowhereSink final : public oplog::CollectionSink {
 public:
  Result<void> begin(const oplog::CollectionAtT&) override { return {}; }
  Result<void> document(ByteView) override { return {}; }
  Result<void> end(const oplog::CollectionTotals&) override { return {}; }
};

// How many documents entries add and take away, by collection.
class EffectCount final : public oplog::EffectSink {
 public:
  Result<void> on_effect(const oplog::Effect& effect) override {
    if (effect.collection >= changes_.size()) changes_.resize(effect.collection + 1);
    Change& change = changes_[effect.collection];
    ++change.effect_count;
    if (effect.kind == oplog::EffectKind::insert) {
      ++change.documents;
      change.bytes += static_cast<std::int64_t>(effect.body.bytes().size());
    }
    if (effect.kind == oplog::EffectKind::remove) --change.documents;
    return {};
  }
  Result<void> on_command(const oplog::Entry&, const oplog::OrderKey&) override { return {}; }

  struct Change {
    std::int64_t documents = 0;
    std::int64_t bytes = 0;  // of what was inserted
    std::uint64_t effect_count = 0;
  };
  Change of(oplog::CollectionNumber number) const {
    return number < changes_.size() ? changes_[number] : Change{};
  }

 private:
  std::vector<Change> changes_;
};

std::uint64_t clamped(std::int64_t value) {
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

}  // namespace

class MomentStream::Impl {
 public:
  Impl(const repo::Repository& repository, const MomentRequest& request, NamespaceChoice choice)
      : repository_(repository),
        request_(request),
        choice_(std::move(choice)),
        spill_(request.temp_directory) {}

  Result<void> open(MomentPlan plan) {
    plan_ = std::move(plan);
    base_ = TRY(catalog::StoredBase::open(repository_, plan_.base));
    if (plan_.choice) at_ = plan_.choice->at;
    return {};
  }
  Result<void> open_moment(const std::vector<repo::StoredSnapshot>& snapshots) {
    points_ = TRY(catalog::MongoPoints::load(repository_, snapshots, request_.dataset));
    MomentPlan plan = TRY(plan_from_moment(*points_, request_));
    return open(std::move(plan));
  }

  const MomentPlan& plan() const { return plan_; }
  const std::optional<oplog::Timestamp>& at() const { return at_; }
  const catalog::StoredBase& base() const { return *base_; }
  const NamespaceChoice& choice() const { return choice_; }

  Result<std::vector<ExpectedCollection>> expect() {
    if (is_base_moment()) return expect_base();
    std::vector<ExpectedCollection> all = TRY(expect_computed());
    TRY(expect_views(all));
    for (const dataset::StoredCollection& stored : base_->manifest().collections) {
      if (!is_computed(stored) && choice_.takes(stored.facts.ns()))
        all.push_back({describe_stored(stored), stored.count, stored.bytes, true});
    }
    std::sort(all.begin(), all.end(), [](const auto& left, const auto& right) {
      return left.collection.facts.ns() < right.collection.facts.ns();
    });
    return all;
  }

  Result<MomentReport> push(MomentSink& sink, const std::function<bool(std::string_view)>& wanted) {
    const bool takes_all = choice_.takes_all() && !wanted;
    const auto takes = [&](std::string_view ns) {
      return choice_.takes(ns) && (!wanted || wanted(ns));
    };
    MomentReport report;
    if (is_base_moment()) {
      TRY(copy_base(sink, takes));
      return report;
    }
    ComputedSink computed(sink);
    oplog::MaterialiseOptions options = materialise_options();
    if (!takes_all) options.wanted = takes;
    auto entries = entries_of_chain();
    report.computed = TRY(oplog::materialise(*base_, entries, spill_, computed, options));
    TRY(push_views(*report.computed, sink));
    TRY(copy_what_has_no_uuid(sink, takes, report));
    note(*report.computed, report);
    return report;
  }

 private:
  using Takes = std::function<bool(std::string_view)>;

  bool is_base_moment() const {
    if (!plan_.choice) return true;
    const oplog::BaseWindow window = base_->window();
    return window.kind != oplog::BaseKind::fuzzy && window.last == *at_;
  }

  oplog::MaterialiseOptions materialise_options() const {
    return {.at = *at_,
            .memory_bytes_max = request_.memory_bytes_max,
            .wanted = {},
            .in_doubt = request_.in_doubt,
            .rules = request_.rules};
  }

  catalog::SegmentEntries entries_of_chain() {
    const oplog::Chain& chain = points_->timeline().chains()[plan_.choice->window.chain];
    return {*points_, chain, oplog::Timeline::first_segment_for(chain, base_->window())};
  }

  // Whether the engine follows it through the oplog.
  bool is_computed(const dataset::StoredCollection& stored) const {
    return stored.facts.has_documents ? stored.facts.uuid.has_value()
                                      : base_->manifest().has_system_collections;
  }

  // A damaged or foreign base is noticed by its digests.
  Result<void> copy_base(MomentSink& sink, const Takes& takes) {
    for (const dataset::StoredCollection& stored : base_->manifest().collections) {
      if (takes(stored.facts.ns())) TRY(copy(stored, sink));
    }
    return {};
  }

  Result<void> copy(const dataset::StoredCollection& stored, MomentSink& sink) {
    TRY(sink.begin(describe_stored(stored)));
    if (!stored.facts.has_documents) return sink.end({});
    const auto documents = TRY(base_->documents(stored));
    oplog::CollectionTotals totals;
    while (true) {
      const auto next = TRY(documents->next());
      if (!next) return sink.end(totals);
      ++totals.document_count;
      totals.document_bytes += next->size();
      TRY(sink.document(*next));
    }
  }

  static Result<void> push_views(const oplog::MaterialiseReport& computed, MomentSink& sink) {
    for (const oplog::ViewFacts& view : computed.views) {
      TRY(sink.begin(describe_view(view)));
      TRY(sink.end({}));
    }
    return {};
  }

  // What a dump tells by names only: views when it left system.views out, users of one database,
  // time series. The engine can not follow these through the oplog.
  Result<void> copy_what_has_no_uuid(MomentSink& sink, const Takes& takes, MomentReport& report) {
    for (const dataset::StoredCollection& stored : base_->manifest().collections) {
      if (is_computed(stored) || !takes(stored.facts.ns())) continue;
      TRY(copy(stored, sink));
      report.notes.push_back(
          fmt::format("{} is as it was in the base: the dump did not record what is needed to "
                      "follow it",
                      stored.facts.ns()));
    }
    return {};
  }

  static void note(const oplog::MaterialiseReport& computed, MomentReport& report) {
    for (const std::string& sentence : computed.notes) report.notes.push_back(sentence);
    for (const auto& build : computed.index_builds)
      report.notes.push_back(
          fmt::format("{} had an index build in progress since {}: its indexes are not there",
                      build.ns, oplog::to_text(build.started)));
  }

  std::vector<ExpectedCollection> expect_base() const {
    std::vector<ExpectedCollection> all;
    for (const dataset::StoredCollection& stored : base_->manifest().collections) {
      if (choice_.takes(stored.facts.ns()))
        all.push_back({describe_stored(stored), stored.count, stored.bytes, true});
    }
    return all;
  }

  Result<std::vector<ExpectedCollection>> expect_computed() {
    auto facts = TRY(base_->collections());
    auto catalog = TRY(oplog::Catalog::make(std::move(facts)));
    EffectCount effects;
    oplog::Applier applier(catalog, spill_, effects,
                           {*at_, base_->window(), request_.rules,
                            [this](std::string_view ns) { return base_->covers(ns); }});
    auto entries = entries_of_chain();
    TRY(oplog::feed(entries, applier));
    std::vector<ExpectedCollection> all;
    for (oplog::CollectionNumber number = 0; number < catalog.size(); ++number) {
      const oplog::CatalogCollection& collection = catalog.at(number);
      const bool is_wanted =
          collection.is_alive() && !collection.is_excluded && choice_.takes(collection.facts.ns);
      if (is_wanted) all.push_back(expect(collection, effects.of(number)));
    }
    return all;
  }

  ExpectedCollection expect(const oplog::CatalogCollection& collection,
                            const EffectCount::Change& change) const {
    const dataset::StoredCollection* stored =
        collection.emptied ? nullptr : base_->find_collection(collection.facts.uuid);
    const auto count = static_cast<std::int64_t>(stored == nullptr ? 0 : stored->count);
    const auto bytes = static_cast<std::int64_t>(stored == nullptr ? 0 : stored->bytes);
    return {describe_computed(collection.facts), clamped(count + change.documents),
            clamped(bytes + change.bytes), change.effect_count == 0};
  }

  Result<void> expect_views(std::vector<ExpectedCollection>& all) {
    std::set<std::string, std::less<>> names;
    bool has_views = false;
    for (const ExpectedCollection& expected : all) {
      names.insert(expected.collection.facts.ns());
    }
    for (const dataset::StoredCollection& stored : base_->manifest().collections)
      has_views = has_views || stored.facts.name == "system.views";
    for (const std::string& ns : names) has_views = has_views || ns.ends_with(".system.views");
    if (!has_views) return {};
    NowhereSink nowhere;
    oplog::MaterialiseOptions options = materialise_options();
    options.wanted = [&](std::string_view ns) {
      return choice_.takes(ns) && names.find(ns) == names.end();
    };
    auto entries = entries_of_chain();
    const auto report = TRY(oplog::materialise(*base_, entries, spill_, nowhere, options));
    for (const oplog::ViewFacts& view : report.views) all.push_back({describe_view(view), 0, 0});
    return {};
  }

  const repo::Repository& repository_;
  MomentRequest request_;
  NamespaceChoice choice_;
  std::optional<catalog::MongoPoints> points_;
  MomentPlan plan_;
  std::optional<oplog::Timestamp> at_;
  std::unique_ptr<catalog::StoredBase> base_;
  dataset::SpillFiles spill_;
};

MomentStream::MomentStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MomentStream::MomentStream(MomentStream&&) noexcept = default;
MomentStream& MomentStream::operator=(MomentStream&&) noexcept = default;
MomentStream::~MomentStream() = default;

Result<MomentStream> MomentStream::open(repo::Repository& repository,
                                        const MomentRequest& request) {
  auto choice = TRY(NamespaceChoice::make(request.only, request.renames));
  auto impl = std::make_unique<Impl>(repository, request, std::move(choice));
  if (request.snapshot) {
    auto plan = TRY(plan_from_snapshot(repository, *request.snapshot));
    TRY(repository.load_index());
    TRY(impl->open(std::move(plan)));
    return MomentStream(std::move(impl));
  }
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  TRY(impl->open_moment(snapshots));
  return MomentStream(std::move(impl));
}

const repo::SnapshotId& MomentStream::base() const {
  return impl_->plan().base.id;
}
const std::optional<oplog::Timestamp>& MomentStream::at() const {
  return impl_->at();
}
const std::string& MomentStream::moment() const {
  return impl_->plan().moment;
}
const std::string& MomentStream::server_version() const {
  return impl_->base().manifest().server_version;
}
const NamespaceChoice& MomentStream::choice() const {
  return impl_->choice();
}
bool MomentStream::covers(std::string_view ns) const {
  return impl_->base().covers(ns);
}
Result<std::vector<ExpectedCollection>> MomentStream::expect() {
  return impl_->expect();
}
Result<MomentReport> MomentStream::push(MomentSink& sink,
                                        const std::function<bool(std::string_view)>& wanted) {
  return impl_->push(sink, wanted);
}

}  // namespace holdfast::recover
