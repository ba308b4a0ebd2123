#include "backup/synthetic_full.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backup/base_rewrite.hpp"
#include "backup/synthetic_catalog.hpp"
#include "backup/synthetic_ground.hpp"
#include "bson/ext_json.hpp"
#include "catalog/dataset_status.hpp"
#include "catalog/server_identity.hpp"
#include "catalog/stored_base.hpp"
#include "dataset/spill_files.hpp"

namespace holdfast::backup {

namespace {

constexpr std::size_t counts_checked_max = 200;  // collections whose count is compared

struct SyntheticSetup {
  const repo::Repository& repository;
  catalog::StoredBase& old;
  const repo::BlobId& old_tree;
  repo::Writer& writer;
  BaseSnapshot& base;
  RangeChoice& samples;
};

// Makes the base while the engine computes it: source of the old documents and sink of the new ones
// at once, because what is taken over goes from one to the other without the engine.
class SyntheticBase final : public oplog::BaseSource, public oplog::CollectionSink {
 public:
  explicit SyntheticBase(const SyntheticSetup& setup)
      : repository_(setup.repository),
        old_(setup.old),
        files_(setup.repository, setup.old_tree),
        writer_(setup.writer),
        base_(setup.base),
        samples_(setup.samples),
        catalog_(setup.old.manifest()) {}

  oplog::BaseWindow window() const override { return old_.window(); }
  Result<std::vector<oplog::CollectionFacts>> collections() override { return old_.collections(); }
  bool covers(std::string_view ns) const override {
    catalog_.note_unknown(ns);
    return catalog_.covers(ns);
  }
  Result<std::unique_ptr<oplog::DocumentReader>> documents(
      const oplog::CollectionFacts& collection) override {
    const dataset::StoredCollection* const stored = old_.find_collection(collection.uuid);
    if (stored == nullptr) return fail(ErrorCode::not_found, collection.ns + " is not in the base");
    auto reader = TRY(open(*stored));
    return std::unique_ptr<oplog::DocumentReader>(std::move(reader));
  }

  Result<void> begin(const oplog::CollectionAtT& collection) override {
    TRY(repository_.context().check_stop());
    start(catalog_.describe(collection.facts));
    return {};
  }
  Result<void> document(ByteView document) override { return current_->add(document); }
  Result<void> end(const oplog::CollectionTotals& totals) override {
    if (totals.is_approximate_tail)
      notes_.push_back(
          fmt::format("{} is capped by size: the server trims it without a record, so "
                      "its oldest documents are an estimate",
                      current_->facts().ns()));
    return finish();
  }

  // What the engine does not compute, after all that it does.
  Result<void> add_rest(const oplog::MaterialiseReport& report) {
    TRY(catalog_.check_followed(report));
    const auto bare = TRY(catalog_.without_documents(report));
    for (const dataset::MongoCollection& facts : bare) {
      TRY(base_.add_metadata(facts));
      made_.push_back({.ns = facts.ns(), .type = facts.type, .digest = {}});
    }
    for (const dataset::StoredCollection* stored : catalog_.without_uuid()) {
      TRY(copy(*stored).while_doing("taking over " + stored->facts.ns()));
    }
    std::sort(made_.begin(), made_.end(),
              [](const auto& left, const auto& right) { return left.ns < right.ns; });
    return {};
  }

  std::vector<SyntheticCollection>& made() { return made_; }
  std::vector<std::string>& notes() { return notes_; }
  std::uint64_t read_count() const { return read_count_; }

 private:
  void start(dataset::MongoCollection facts) {
    current_ = std::make_unique<CollectionRewrite>(writer_, chunk_seed_of(repository_),
                                                   std::move(facts), samples_);
  }
  Result<void> finish() {
    auto finished = TRY(current_->finish(base_));
    made_.push_back(std::move(finished));
    repository_.context().log.progress({.phase = "synthetic full",
                                        .files_done = made_.size(),
                                        .files_total = old_.manifest().collections.size(),
                                        .bytes_done = base_.byte_count(),
                                        .bytes_total = 0});
    return {};
  }
  Result<std::unique_ptr<RewriteReader>> open(const dataset::StoredCollection& stored) {
    return RewriteReader::open(repository_, files_, stored, *current_, read_count_);
  }
  Result<void> copy(const dataset::StoredCollection& stored) {
    start(stored.facts);
    const auto reader = TRY(open(stored));
    reader->unchanged_below(std::nullopt);
    while (true) {
      const auto document = TRY(reader->next());
      if (!document) return finish();
      TRY(current_->add(*document));
    }
  }

  const repo::Repository& repository_;
  catalog::StoredBase& old_;
  repo::SnapshotFiles files_;
  repo::Writer& writer_;
  BaseSnapshot& base_;
  RangeChoice& samples_;
  mutable SyntheticCatalog catalog_;  // remembers what covers() was asked about
  std::unique_ptr<CollectionRewrite> current_;
  std::vector<SyntheticCollection> made_;
  std::vector<std::string> notes_;
  std::uint64_t read_count_ = 0;
};

// One run.
class SyntheticRun {
 public:
  SyntheticRun(repo::Repository& repository, const SyntheticOptions& options,
               catalog::MongoPoints& points, repo::Writer& writer)
      : repository_(repository),
        options_(options),
        points_(points),
        writer_(writer),
        spill_(options.temp_directory),
        label_{options.dataset, options.author, tags_of(options),
               options.time.value_or(repository.context().clock.now())} {}

  Result<SyntheticResult> run() {
    const SyntheticGround ground = TRY(find_ground(points_, spill_, options_.rules));
    result_.previous = ground.base.stored.id;
    base_.add_tags(identity_tags(catalog::identity_of(ground.base.stored.snapshot)));
    result_.at = ground.at;
    result_.window = catalog::status_of(points_, label_.start, std::nullopt).window;
    if (!ground.is_later()) {
      result_.notes.emplace_back("nothing was recorded since the newest base");
      return std::move(result_);
    }
    const auto old = TRY(catalog::StoredBase::open(repository_, ground.base.stored));
    result_.deferred = TRY(deferred(ground, *old));
    if (result_.deferred) return std::move(result_);
    auto computed = compute(ground, *old);
    if (!computed.has_value()) return fail(with_advice(std::move(computed.error())));
    TRY(check());
    if (result_.check && result_.check->is_failed()) {
      TRY(record_failure());
      return std::move(result_);
    }
    result_.snapshot = TRY(base_.publish());
    result_.summary = base_.summary();
    return std::move(result_);
  }

 private:
  static std::vector<std::string> tags_of(const SyntheticOptions& options) {
    std::vector<std::string> tags = options.tags;
    tags.emplace_back(synthetic_tag);
    return tags;
  }

  // A base that is damaged, or that the history does not fit, is no reason to stay without a new
  // one: for the caller both are one thing.
  static Error with_advice(Error error) {
    const bool is_misfit = error.code == ErrorCode::anomaly || error.code == ErrorCode::corrupt;
    if (!is_misfit) return error;
    error.code = ErrorCode::anomaly;
    error.message += ": a full backup from the server is needed";
    return error;
  }

  // Whether, and why, the base is put off.
  Result<std::optional<DeferredBase>> deferred(const SyntheticGround& ground,
                                               const catalog::StoredBase& old) {
    const repo::Snapshot& snapshot = ground.base.stored.snapshot;
    const Recorded recorded = recorded_since(*ground.chain, ground.base.window);
    const auto enough = rewrite_bytes_max(
        recorded, label_.start - repo::to_wall_time(snapshot.time), options_.rewrite);
    if (!enough) return std::optional<DeferredBase>();
    auto entries = entries_of(ground);
    const auto touched = TRY(touched_bytes(repository_, old, snapshot.tree, entries, *enough));
    if (!touched || *touched <= *enough) return std::optional<DeferredBase>();
    return std::optional(DeferredBase{*touched, recorded});
  }

  catalog::SegmentEntries entries_of(const SyntheticGround& ground) {
    return {points_, *ground.chain,
            oplog::Timeline::first_segment_for(*ground.chain, ground.base.window)};
  }

  Result<void> compute(const SyntheticGround& ground, catalog::StoredBase& old) {
    const dataset::MongoManifest& before = old.manifest();
    dataset::MongoManifest& manifest = base_.manifest();
    manifest.server_version = before.server_version;
    manifest.tool_version = before.tool_version;
    manifest.scope = before.scope;
    manifest.has_system_collections = before.has_system_collections;
    manifest.window = oplog::BaseWindow{oplog::BaseKind::exact, ground.at, ground.at};

    SyntheticBase synthetic(
        {repository_, old, ground.base.stored.snapshot.tree, writer_, base_, samples_});
    auto entries = entries_of(ground);
    const oplog::MaterialiseOptions options{.at = ground.at,
                                            .memory_bytes_max = options_.memory_bytes_max,
                                            .wanted = {},
                                            .in_doubt = oplog::InDoubt::refuse,
                                            .rules = options_.rules};
    auto report = TRY(oplog::materialise(synthetic, entries, spill_, synthetic, options));
    TRY(synthetic.add_rest(report));
    std::sort(manifest.collections.begin(), manifest.collections.end(),
              [](const auto& a, const auto& b) { return a.facts.ns() < b.facts.ns(); });
    result_.collections = std::move(synthetic.made());
    result_.notes = std::move(synthetic.notes());
    result_.chunk_read_count = synthetic.read_count();
    for (const std::string& sentence : report.notes) result_.notes.push_back(sentence);
    for (const auto& build : report.index_builds)
      result_.notes.push_back(
          fmt::format("{} had an index build in progress since {}: its indexes are not there",
                      build.ns, oplog::to_text(build.started)));
    result_.computed = std::move(report);
    return {};
  }

  Result<void> check() {
    if (options_.live == nullptr) return {};
    std::vector<RecordedRange> ranges = samples_.take();
    for (const dataset::StoredCollection& stored : base_.manifest().collections) {
      const bool is_counted = stored.facts.has_documents && stored.facts.uuid &&
                              stored.order == dataset::StoredOrder::by_id &&
                              ranges.size() < options_.sample_count + counts_checked_max;
      if (is_counted)
        ranges.push_back({stored.facts.ns(), stored.facts.uuid, {}, stored.count, stored.digest});
    }
    SampleCheckOptions options = options_.check;
    options.clock = &repository_.context().clock;
    result_.check = TRY(check_samples(*options_.live, result_.at, ranges, options)
                            .while_doing("comparing with the server"));
    return {};
  }

  // The next backup must not rely on what was recorded.
  Result<void> record_failure() {
    catalog::DatasetLabel label = label_;
    label.tags = options_.tags;
    catalog::DatasetSnapshot snapshot(repository_, writer_, label, check_tag);
    std::string text = "{\"differences\":[";
    for (const std::string& sentence : result_.check->differences) {
      if (text.back() != '[') text += ',';
      bson::append_json_string(sentence, text);
    }
    text += "]}\n";
    TRY(snapshot.add_text(check_path, as_bytes(text)));
    snapshot.add_moment_tag("at", result_.at);
    TRY(snapshot.publish());
    result_.notes.emplace_back(
        "the computed base differs from the server and was not published: the next backup reads "
        "the server");
    return {};
  }

  repo::Repository& repository_;
  const SyntheticOptions& options_;
  catalog::MongoPoints& points_;
  repo::Writer& writer_;
  dataset::SpillFiles spill_;
  catalog::DatasetLabel label_;
  BaseSnapshot base_{repository_, writer_, label_};
  RangeChoice samples_{repository_.context().rng, options_.sample_count};
  SyntheticResult result_;
};

}  // namespace

Result<SyntheticResult> synthetic_full(repo::Repository& repository,
                                       const SyntheticOptions& options) {
  TRY(dataset::check_dataset_name(options.dataset));
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  auto points = TRY(catalog::MongoPoints::load(repository, snapshots, options.dataset));
  auto writer = TRY(repo::Writer::make(repository, options.writer));
  SyntheticRun run(repository, options, points, writer);
  auto result = run.run();
  // What was stored is kept for the next run.
  if (!result.has_value() && result.error().code == ErrorCode::interrupted) TRY(writer.finish());
  return result;
}

}  // namespace holdfast::backup
