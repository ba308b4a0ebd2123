#include "backup/import_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backup/import_collection.hpp"
#include "bson/ext_json.hpp"
#include "dataset/spill_files.hpp"
#include "oplog/timeline.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::backup {

namespace {

bool has_tag(const repo::Snapshot& snapshot, std::string_view tag) {
  return std::find(snapshot.tags.begin(), snapshot.tags.end(), tag) != snapshot.tags.end();
}

// The segments of a dataset that are in the repository, and how to load them.
class RecordedSegments {
 public:
  explicit RecordedSegments(const repo::Repository& repository) : repository_(repository) {}

  Result<void> find(const std::vector<repo::StoredSnapshot>& snapshots, std::string_view dataset) {
    const std::string wanted = dataset::dataset_tag(dataset);
    for (const repo::StoredSnapshot& stored : snapshots) {
      const bool is_ours =
          has_tag(stored.snapshot, wanted) && has_tag(stored.snapshot, dataset::segments_tag);
      if (is_ours) TRY(add(stored));
    }
    segments_ = dataset::sort_segments(std::move(segments_));
    return {};
  }

  const std::vector<dataset::StoredSegment>& segments() const { return segments_; }

  Result<Bytes> load(const dataset::StoredSegment& segment) {
    return files_.at(segment.snapshot)
        .read(dataset::segment_path(segment.facts), dataset::segment_bytes_limit);
  }

 private:
  Result<void> add(const repo::StoredSnapshot& stored) {
    const std::string id = stored.id.hex();
    const auto files = files_.try_emplace(id, repository_, stored.snapshot.tree).first;
    const Bytes json =
        TRY(files->second.read(dataset::segments_path, dataset::segments_json_bytes_max)
                .while_doing("reading snapshot " + stored.id.short_hex()));
    const auto facts = TRY(dataset::decode_segments(as_text(json)));
    for (const oplog::SegmentFacts& each : facts) segments_.push_back({each, id});
    return {};
  }

  const repo::Repository& repository_;
  std::map<std::string, repo::SnapshotFiles> files_;
  std::vector<dataset::StoredSegment> segments_;
};

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

// What prune reads: from where on a base needs entries, up to where segments hold them.
std::string moment_tag(std::string_view name, oplog::Timestamp at) {
  return fmt::format("{}={}.{}", name, at.seconds, at.ordinal);
}

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
        start_(options.time.value_or(repository.context().clock.now())) {}

  Result<MongoImportResult> run(RecordedSegments& recorded) {
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
  std::uint64_t chunk_seed() const { return repository_.config().chunker_polynomial.bits; }

  Result<std::unique_ptr<dataset::DocumentStream>> open_oplog() {
    if (!options_.oplog) return dump_.oplog();
    const auto packing = TRY(dataset::packing_of(*options_.oplog));
    auto reader = TRY(dataset::open_bson_file(*options_.oplog, packing));
    return std::unique_ptr<dataset::DocumentStream>(std::move(reader));
  }
  bool has_oplog() const { return options_.oplog || dump_.facts().has_oplog; }

  Result<void> take_oplog(RecordedSegments& recorded) {
    if (!has_oplog()) return {};
    dataset::SegmentIntake intake(
        recorded.segments(),
        [&recorded](const dataset::StoredSegment& segment) { return recorded.load(segment); },
        [this](const oplog::SegmentFacts& facts, ByteView bytes) {
          return store_segment(facts, bytes);
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

  Result<void> store_segment(const oplog::SegmentFacts& facts, ByteView bytes) {
    TRY(segments_tree_.add_text(writer_, dataset::segment_path(facts), bytes));
    new_segments_.push_back(facts);
    return {};
  }

  Result<void> store_base() {
    const CollectionImportSetup setup{writer_, tree_, spill_, options_.sort_memory_bytes_max,
                                      chunk_seed()};
    manifest_.dataset = options_.dataset;
    manifest_.server_version = dump_.facts().server_version;
    manifest_.tool_version = dump_.facts().tool_version;
    manifest_.scope = dump_.facts().scope;
    manifest_.has_system_collections = dump_.facts().has_system_collections;
    manifest_.window = result_.window;
    for (const dataset::MongoCollection& collection : dump_.collections()) {
      TRY(repository_.context().check_stop());
      const CollectionImport import = TRY(import_collection(setup, dump_, collection));
      note_collection(import);
      manifest_.collections.push_back(import.stored);
      report_progress();
    }
    TRY(store_window_oplog(setup));
    TRY(tree_.add_text(writer_, "prelude.json", as_bytes(prelude())));
    if (manifest_.window)
      TRY(tree_.add_text(writer_, dataset::window_path,
                         as_bytes(dataset::encode_window(*manifest_.window))));
    return tree_.add_text(writer_, dataset::manifest_path,
                          as_bytes(dataset::encode_manifest(manifest_)));
  }

  // Beside a copy made during writes, what makes it whole: so that restic and mongorestore can
  // recover it without us.
  Result<void> store_window_oplog(const CollectionImportSetup& setup) {
    const bool is_fuzzy = result_.window && result_.window->kind == oplog::BaseKind::fuzzy;
    if (!is_fuzzy || !has_oplog()) return {};
    auto entries = TRY(dump_.facts().has_oplog ? dump_.oplog() : open_oplog());
    WindowStream window(std::move(entries), *result_.window);
    return import_stream(setup, window, dataset::oplog_path);
  }

  std::string prelude() const {
    const dataset::DumpFacts& facts = dump_.facts();
    const auto quoted = [](const std::string& text) {
      std::string out;
      bson::append_json_string(text, out);
      return out;
    };
    return fmt::format("{{\"ServerVersion\":{},\"ToolVersion\":{}}}", quoted(facts.server_version),
                       quoted(facts.tool_version));
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
                                        .bytes_done = tree_.byte_count(),
                                        .bytes_total = 0});
  }

  void note_recoverable(const RecordedSegments& recorded) {
    if (!result_.window) {
      result_.notes.emplace_back(
          "the dump does not say when it was made: it can be exported as it is, and not combined "
          "with an oplog");
      return;
    }
    std::vector<dataset::StoredSegment> all = recorded.segments();
    for (const oplog::SegmentFacts& facts : new_segments_) all.push_back({facts, {}});
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

  repo::Snapshot make_snapshot(std::string path, std::string_view kind) const {
    repo::Snapshot snapshot;
    snapshot.time = repo::make_node_time(start_);
    snapshot.paths = {std::move(path)};
    snapshot.hostname = options_.author.hostname;
    snapshot.username = options_.author.username;
    snapshot.uid = options_.author.uid;
    snapshot.gid = options_.author.gid;
    snapshot.program_version = options_.author.program_version;
    snapshot.tags = options_.tags;
    snapshot.tags.push_back(dataset::dataset_tag(options_.dataset));
    snapshot.tags.emplace_back(kind);
    return snapshot;
  }

  repo::SnapshotSummary make_summary(const DatabaseTree& tree) {
    const repo::WriterTotals totals = writer_.totals();
    repo::SnapshotSummary summary;
    summary.backup_start = repo::make_node_time(start_);
    summary.backup_end = repo::make_node_time(repository_.context().clock.now());
    summary.files_new = tree.file_count();
    summary.data_blobs = totals.data_blobs;
    summary.tree_blobs = totals.tree_blobs;
    summary.data_added = totals.plain_bytes;
    summary.data_added_packed = totals.stored_bytes;
    summary.total_files_processed = tree.file_count();
    summary.total_bytes_processed = tree.byte_count();
    return summary;
  }

  Result<void> publish_segments() {
    if (new_segments_.empty()) return {};
    TRY(segments_tree_.add_text(
        writer_, dataset::segments_path,
        as_bytes(dataset::encode_segments(options_.dataset, new_segments_))));
    repo::Snapshot snapshot =
        make_snapshot(fmt::format("/mongodb/{}/segments", options_.dataset), dataset::segments_tag);
    snapshot.tree = TRY(segments_tree_.save(writer_));
    snapshot.summary = make_summary(segments_tree_);
    snapshot.tags.push_back(moment_tag("from", new_segments_.front().first.ts));
    snapshot.tags.push_back(moment_tag("to", new_segments_.back().last.ts));
    result_.segments_snapshot = TRY(writer_.publish_snapshot(snapshot));
    return {};
  }

  Result<void> publish_base() {
    repo::Snapshot snapshot =
        make_snapshot(fmt::format("/mongodb/{}", options_.dataset), dataset::base_tag);
    snapshot.tree = TRY(tree_.save(writer_));
    snapshot.summary = make_summary(tree_);
    if (result_.window) snapshot.tags.push_back(moment_tag("from", result_.window->first));
    result_.summary = *snapshot.summary;
    result_.snapshot = TRY(writer_.publish_snapshot(snapshot));
    return {};
  }

  repo::Repository& repository_;
  const MongoImportOptions& options_;
  dataset::DumpReader& dump_;
  repo::Writer& writer_;
  dataset::SpillFiles spill_;
  WallTime start_;
  DatabaseTree tree_{repo::make_node_time(start_)};
  DatabaseTree segments_tree_{repo::make_node_time(start_)};
  dataset::MongoManifest manifest_;
  std::vector<oplog::SegmentFacts> new_segments_;
  MongoImportResult result_;
};

}  // namespace

Result<MongoImportResult> import_mongo(repo::Repository& repository,
                                       const MongoImportOptions& options) {
  TRY(dataset::check_dataset_name(options.dataset));
  auto dump = TRY(dataset::open_dump(options.dump, options.temp_directory));
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  RecordedSegments recorded(repository);
  TRY(recorded.find(snapshots, options.dataset));
  auto writer = TRY(repo::Writer::make(repository, options.writer));
  MongoImport import(repository, options, *dump, writer);
  auto result = import.run(recorded);
  // What was stored is kept for the next run.
  if (!result.has_value() && result.error().code == ErrorCode::interrupted) TRY(writer.finish());
  return result;
}

}  // namespace holdfast::backup
