#include "recover/export_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "catalog/mongo_points.hpp"
#include "catalog/stored_base.hpp"
#include "dataset/spill_files.hpp"
#include "recover/export_sink.hpp"

namespace holdfast::recover {

namespace {

// Which base, and what is to be computed on it.
struct ExportPlan {
  repo::StoredSnapshot base;
  std::optional<catalog::MomentChoice> choice;  // none: the base as it is
  std::string moment;
};

Result<ExportPlan> plan_from_snapshot(const repo::Repository& repository,
                                      const MongoExportOptions& options) {
  const auto stored = TRY(repository.find_snapshot(*options.snapshot));
  const auto& tags = stored.snapshot.tags;
  const bool is_base = std::find(tags.begin(), tags.end(), dataset::base_tag) != tags.end();
  if (!is_base)
    return fail(ErrorCode::usage,
                fmt::format("snapshot {} is no base of a database", stored.id.short_hex()));
  return ExportPlan{stored, std::nullopt, "snapshot " + stored.id.short_hex() + " as it is"};
}

Result<ExportPlan> plan_from_moment(const catalog::MongoPoints& points,
                                    const MongoExportOptions& options) {
  const catalog::Moment moment = TRY(catalog::parse_moment(options.at));
  const auto choice = catalog::choose_moment(points.timeline(), points.windows(), moment);
  const bool only_timeless = points.bases().empty() && !points.timeless().empty();
  if (!choice.has_value() && only_timeless && moment.kind == catalog::MomentKind::newest) {
    const auto& base = points.timeless().back();
    return ExportPlan{base, std::nullopt, "the newest dump as it is: it does not tell its time"};
  }
  if (!choice.has_value()) return fail(choice.error());
  const std::string text = moment.kind == catalog::MomentKind::newest
                               ? catalog::describe(choice->at)
                               : catalog::describe(moment);
  return ExportPlan{points.bases()[choice->window.base].stored, *choice, text};
}

// One export, from the plan to the finished dump.
class MongoExport {
 public:
  MongoExport(const MongoExportOptions& options, const NamespaceChoice& choice,
              catalog::StoredBase& base, dataset::DumpWriter& writer)
      : options_(options),
        choice_(choice),
        base_(base),
        sink_(writer, choice, options, result_),
        spill_(options.temp_directory) {}

  MongoExportResult& result() { return result_; }

  // The base's own state. A damaged or foreign base is noticed by its digests.
  Result<void> copy_base() {
    for (const dataset::StoredCollection& stored : base_.manifest().collections) {
      if (!choice_.takes(stored.facts.ns())) continue;
      TRY(copy(stored));
    }
    return {};
  }

  Result<void> compute(catalog::MongoPoints& points, const catalog::MomentChoice& choice) {
    const oplog::BaseWindow window = base_.window();
    if (window.kind != oplog::BaseKind::fuzzy && window.last == choice.at) return copy_base();
    const oplog::Chain& chain = points.timeline().chains()[choice.window.chain];
    catalog::SegmentEntries entries(points, chain,
                                    oplog::Timeline::first_segment_for(chain, window));
    oplog::MaterialiseOptions options{.at = choice.at,
                                      .memory_bytes_max = options_.memory_bytes_max,
                                      .wanted = {},
                                      .in_doubt = options_.in_doubt,
                                      .rules = options_.rules};
    if (!choice_.takes_all())
      options.wanted = [this](std::string_view ns) { return choice_.takes(ns); };
    auto report = TRY(oplog::materialise(base_, entries, spill_, sink_, options));
    TRY(write_views(report));
    TRY(copy_what_has_no_uuid());
    note(report);
    result_.computed = std::move(report);
    return {};
  }

 private:
  Result<void> copy(const dataset::StoredCollection& stored) {
    if (!stored.facts.has_documents) return sink_.write_metadata(stored.facts);
    auto documents = TRY(base_.documents(stored));
    const std::size_t before = result_.collections.size();
    TRY(sink_.write_collection(stored.facts, *documents));
    const bool is_written = result_.collections.size() > before;
    if (is_written && result_.collections.back().digest != stored.digest)
      return fail(ErrorCode::corrupt,
                  fmt::format("{} has not the digest that the manifest names", stored.facts.ns()));
    return {};
  }

  Result<void> write_views(const oplog::MaterialiseReport& report) {
    for (const oplog::ViewFacts& view : report.views) {
      const NamespaceName name = split_namespace(view.ns);
      dataset::MongoCollection out;
      out.db = name.db;
      out.name = name.collection;
      out.type = "view";
      out.options = view.options;
      out.has_documents = false;
      TRY(sink_.write_metadata(out));
    }
    return {};
  }

  // What a dump tells by names only: views when it left system.views out, users of one database,
  // time series. The engine can not follow these through the oplog.
  Result<void> copy_what_has_no_uuid() {
    for (const dataset::StoredCollection& stored : base_.manifest().collections) {
      const bool is_computed = stored.facts.has_documents ? stored.facts.uuid.has_value()
                                                          : base_.manifest().has_system_collections;
      if (is_computed || !choice_.takes(stored.facts.ns())) continue;
      TRY(copy(stored));
      result_.notes.push_back(
          fmt::format("{} is as it was in the base: the dump did not record what is needed to "
                      "follow it",
                      stored.facts.ns()));
    }
    return {};
  }

  void note(const oplog::MaterialiseReport& report) {
    for (const std::string& sentence : report.notes) result_.notes.push_back(sentence);
    for (const auto& build : report.index_builds)
      result_.notes.push_back(
          fmt::format("{} had an index build in progress since {}: its indexes are not there",
                      build.ns, oplog::to_text(build.started)));
  }

  const MongoExportOptions& options_;
  const NamespaceChoice& choice_;
  catalog::StoredBase& base_;
  MongoExportResult result_;
  ExportSink sink_;
  dataset::SpillFiles spill_;
};

Result<MongoExportResult> run_plan(const repo::Repository& repository,
                                   const MongoExportOptions& options, const ExportPlan& plan,
                                   catalog::MongoPoints* points) {
  const NamespaceChoice choice = TRY(NamespaceChoice::make(options.only, options.renames));
  const auto base = TRY(catalog::StoredBase::open(repository, plan.base));
  auto writer = TRY(dataset::make_dump_writer(options.target, base->manifest().server_version));
  MongoExport run(options, choice, *base, *writer);
  TRY(plan.choice ? run.compute(*points, *plan.choice) : run.copy_base());
  if (run.result().collections.empty() && !choice.takes_all())
    return fail(ErrorCode::not_found, "none of the chosen namespaces existed at that moment");
  TRY(writer->finish());
  run.result().base = plan.base.id;
  run.result().moment = plan.moment;
  if (plan.choice) run.result().at = plan.choice->at;
  return std::move(run.result());
}

}  // namespace

std::uint64_t MongoExportResult::document_count() const {
  std::uint64_t count = 0;
  for (const ExportedCollection& collection : collections) count += collection.count;
  return count;
}

Result<MongoExportResult> export_mongo(repo::Repository& repository,
                                       const MongoExportOptions& options) {
  if (options.snapshot) {
    const ExportPlan plan = TRY(plan_from_snapshot(repository, options));
    TRY(repository.load_index());
    return run_plan(repository, options, plan, nullptr);
  }
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  catalog::MongoPoints points =
      TRY(catalog::MongoPoints::load(repository, snapshots, options.dataset));
  const ExportPlan plan = TRY(plan_from_moment(points, options));
  return run_plan(repository, options, plan, &points);
}

}  // namespace holdfast::recover
