#include "backup/import_mongo.hpp"

#include <fmt/format.h>

#include "backup/import_collection.hpp"
#include "backup/segment_snapshot.hpp"
#include "catalog/recorded_segments.hpp"
#include "dataset/spill_files.hpp"
#include "oplog/timeline.hpp"

namespace holdfast::backup {

namespace {

// Only the entries of a window.
class WindowStream final : public dataset::DocumentStream {
 public:
  WindowStream(std::unique_ptr<dataset::DocumentStream> entries, oplog::BaseWindow window)
      : entries_(std::move(entries)), window_(window) {}

  Result<std::optional<ByteView>> next() override {
    while (true) {
      const auto entry = TRY(entries_->next());
      if (!entry) return entry;
      const oplog::OpTime time = TRY(oplog::optime_of(*entry));
      if (time.ts > window_.last) return std::optional<ByteView>();
      if (time.ts >= window_.first) return entry;
    }
  }

 private:
  std::unique_ptr<dataset::DocumentStream> entries_;
  oplog::BaseWindow window_;
};

// A dump with an oplog was copied between its first and its last entry.
Result<std::optional<oplog::BaseWindow>> window_of(dataset::DumpReader& dump) {
  if (dump.facts().window || !dump.facts().has_oplog) return dump.facts().window;
  std::optional<oplog::BaseWindow> window;
  auto entries = TRY(dump.oplog());
  while (true) {
    const auto entry = TRY(entries->next());
    if (!entry) return window;
    const oplog::OpTime time = TRY(oplog::optime_of(*entry));
    if (!window) window = {oplog::BaseKind::fuzzy, time.ts, time.ts};
    window->last = time.ts;
  }
}

class MongoImport {
 public:
  MongoImport(repo::Repository& repository, const MongoImportOptions& options,
              dataset::DumpReader& dump, repo::Writer& writer)
      : repository_(repository),
        options_(options),
        dump_(dump),
        writer_(writer),
        spill_(options.temp_directory),
        label_{options.dataset, options.author, options.tags,
               options.time.value_or(repository.context().clock.now())} {}

  Result<MongoImportResult> run(catalog::RecordedSegments& recorded) {
    result_.window = TRY(window_of(dump_));
    result_.notes = dump_.facts().notes;
    TRY(take_oplog(recorded));
    // An oplog alone says nothing about what was there before it: it makes no base.
    if (dump_.collections().empty()) {
      result_.window.reset();
      result_.notes.emplace_back("there was only an oplog: it was recorded, and no base was made");
      TRY(publish_segments());
      return std::move(result_);
    }
    TRY(store_base());
    TRY(publish_segments());
    note_recoverable(recorded);
    TRY(publish_base());
    return std::move(result_);
  }

 private:
  Result<std::unique_ptr<dataset::DocumentStream>> open_oplog() {
    if (!options_.oplog) return dump_.oplog();
    const auto packing = TRY(dataset::packing_of(*options_.oplog));
    auto reader = TRY(dataset::open_bson_file(*options_.oplog, packing));
    return std::unique_ptr<dataset::DocumentStream>(std::move(reader));
  }
  bool has_oplog() const { return options_.oplog || dump_.facts().has_oplog; }

  Result<void> take_oplog(catalog::RecordedSegments& recorded) {
    if (!has_oplog()) return {};
    dataset::SegmentIntake intake(
        recorded.segments(),
        [&recorded](const dataset::StoredSegment& segment) { return recorded.load(segment); },
        [this](const oplog::SegmentFacts& facts, ByteView bytes) {
          return segments_.add(facts, bytes);
        });
    auto entries = TRY(open_oplog());
    while (true) {
      const auto entry = TRY(entries->next());
      if (!entry) break;
      TRY(intake.add(*entry).while_doing("taking in the oplog"));
    }
    TRY(intake.finish());
    result_.oplog = intake.report();
    return {};
  }

  Result<void> store_base() {
    const CollectionImportSetup setup{writer_, base_, spill_, options_.sort_memory_bytes_max,
                                      chunk_seed_of(repository_)};
    dataset::MongoManifest& manifest = base_.manifest();
    manifest.server_version = dump_.facts().server_version;
    manifest.tool_version = dump_.facts().tool_version;
    manifest.scope = dump_.facts().scope;
    manifest.has_system_collections = dump_.facts().has_system_collections;
    manifest.window = result_.window;
    for (const dataset::MongoCollection& collection : dump_.collections()) {
      TRY(repository_.context().check_stop());
      const CollectionImport import = TRY(import_collection(setup, dump_, collection));
      note_collection(import);
      report_progress();
    }
    return store_window_oplog();
  }

  // Beside a copy made during writes, what makes it whole: so that restic and mongorestore can
  // recover it without us.
  Result<void> store_window_oplog() {
    const bool is_fuzzy = result_.window && result_.window->kind == oplog::BaseKind::fuzzy;
    if (!is_fuzzy || !has_oplog()) return {};
    auto entries = TRY(dump_.facts().has_oplog ? dump_.oplog() : open_oplog());
    WindowStream window(std::move(entries), *result_.window);
    return base_.add_window_oplog(window);
  }

  void note_collection(const CollectionImport& import) {
    const dataset::StoredCollection& stored = import.stored;
    result_.collections.push_back({.ns = stored.facts.ns(),
                                   .type = stored.facts.type,
                                   .count = stored.count,
                                   .bytes = stored.bytes,
                                   .chunk_count = stored.chunk_count,
                                   .chunk_new_count = import.chunk_new_count,
                                   .digest = stored.digest});
    if (import.duplicate_count > 0)
      result_.notes.push_back(
          fmt::format("{}: {} documents were there twice, as happens when a copy is made during "
                      "writes; the later ones were kept",
                      stored.facts.ns(), import.duplicate_count));
  }

  void report_progress() {
    repository_.context().log.progress({.phase = "import",
                                        .files_done = result_.collections.size(),
                                        .files_total = dump_.collections().size(),
                                        .bytes_done = base_.byte_count(),
                                        .bytes_total = 0});
  }

  void note_recoverable(const catalog::RecordedSegments& recorded) {
    if (!result_.window) {
      result_.notes.emplace_back(
          "the dump does not say when it was made: it can be exported as it is, and not combined "
          "with an oplog");
      return;
    }
    std::vector<dataset::StoredSegment> all = recorded.segments();
    for (const oplog::SegmentFacts& facts : segments_.segments()) all.push_back({facts, {}});
    std::vector<oplog::SegmentFacts> segments;
    for (const auto& stored : dataset::sort_segments(std::move(all)))
      segments.push_back(stored.facts);
    const auto timeline = oplog::Timeline::make(std::move(segments));
    if (!timeline.has_value()) {
      result_.notes.push_back("the recorded oplog is not sound: " + timeline.error().message);
      return;
    }
    const auto windows = timeline->recoverable({*result_.window});
    if (windows.empty()) {
      result_.notes.emplace_back(
          "the recorded oplog does not cover the time in which the dump was made: no moment can be "
          "recovered from it yet");
      return;
    }
    result_.recoverable_from = windows.front().from;
    result_.recoverable_to = windows.front().to;
  }

  Result<void> publish_segments() {
    result_.segments_snapshot = TRY(segments_.publish());
    return {};
  }

  Result<void> publish_base() {
    result_.snapshot = TRY(base_.publish());
    result_.summary = base_.summary();
    return {};
  }

  repo::Repository& repository_;
  const MongoImportOptions& options_;
  dataset::DumpReader& dump_;
  repo::Writer& writer_;
  dataset::SpillFiles spill_;
  catalog::DatasetLabel label_;
  BaseSnapshot base_{repository_, writer_, label_};
  SegmentSnapshot segments_{repository_, writer_, label_};
  MongoImportResult result_;
};

}  // namespace

Result<MongoImportResult> import_mongo(repo::Repository& repository,
                                       const MongoImportOptions& options) {
  TRY(dataset::check_dataset_name(options.dataset));
  auto dump = TRY(dataset::open_dump(options.dump, options.temp_directory));
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  auto recorded = TRY(catalog::RecordedSegments::find(repository, snapshots, options.dataset));
  auto writer = TRY(repo::Writer::make(repository, options.writer));
  MongoImport import(repository, options, *dump, writer);
  auto result = import.run(recorded);
  // What was stored is kept for the next run.
  if (!result.has_value() && result.error().code == ErrorCode::interrupted) TRY(writer.finish());
  return result;
}

}  // namespace holdfast::backup
