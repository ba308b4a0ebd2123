#include "backup/backup_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backup/base_snapshot.hpp"
#include "backup/catalog_comparison.hpp"
#include "backup/live_plan.hpp"
#include "backup/partial_base.hpp"
#include "backup/segment_snapshot.hpp"
#include "backup/window_capture.hpp"
#include "catalog/recorded_segments.hpp"
#include "oplog/replay_check.hpp"
#include "oplog/segment.hpp"

namespace holdfast::backup {

namespace {

constexpr Duration first_round = std::chrono::seconds(2);  // doubles up to round_time
constexpr int catalog_rounds_max = 3;
constexpr std::int32_t snapshot_wire_version = 13;  // 5.0: snapshot reads outside of transactions
constexpr std::size_t threads_max = 16;
// What an unfinished copy of a server without an oplog may be old: nothing tells what changed.
constexpr auto timeless_age_max = std::chrono::hours(1);
// Until a member that is read from has what the oplog began with.
constexpr int catch_up_waits_max = 60;
constexpr int connect_attempts_max = 4;
constexpr Duration connect_pause = std::chrono::seconds(1);  // longer with every attempt
constexpr Duration catch_up_wait = std::chrono::milliseconds(500);

class MongoBackup {
 public:
  MongoBackup(repo::Repository& repository, mongo::Deployment& deployment,
              const BackupMongoOptions& options, repo::Writer& writer,
              std::vector<repo::StoredSnapshot> snapshots)
      : repository_(repository),
        context_(repository.context()),
        deployment_(deployment),
        options_(options),
        writer_(writer),
        label_{options.dataset, options.author, options.tags, context_.clock.now()},
        snapshots_(std::move(snapshots)) {}

  Result<BackupMongoResult> run() {
    result_.server_version = TRY(deployment_.server_version());
    TRY(open_oplog());
    mongo::Connection connection = TRY(choose_member());
    auto found = TRY(load_partial(repository_, snapshots_, options_.dataset, writer_));
    if (found) partial_ = std::move(*found);
    TRY(start_capture(connection));
    catalog_ = TRY(dataset::read_live_catalog(connection));
    TRY(copy(connection));
    TRY(publish());
    return std::move(result_);
  }

 private:
  Result<void> open_oplog() {
    auto source = dataset::open_history(deployment_, context_, options_.history);
    auto facts = source.has_value() ? (*source)->facts() : Result<dataset::OplogFacts>();
    const Error* error = !source.has_value()  ? &source.error()
                         : !facts.has_value() ? &facts.error()
                                              : nullptr;
    if (error != nullptr && error->code == ErrorCode::unsupported) {
      note("the copy is not of one moment, and the time between two copies is not recorded: " +
           error->message);
      return {};
    }
    if (error != nullptr) return fail(*error);
    source_ = std::move(*source);
    member_ = facts->member;
    for (const std::string& warning : facts->warnings) note(warning);
    const auto server = TRY(catalog::checked_tags(snapshots_, {facts->set_name, facts->set_id},
                                                  options_.dataset, options_.other_server));
    label_.tags.insert(label_.tags.end(), server.begin(), server.end());
    base_.add_tags(server);
    return {};
  }

  // The member whose oplog is read, so that nothing is seen that the oplog does not tell.
  Result<mongo::Connection> choose_member() {
    if (source_ == nullptr) {
      auto connection = TRY(deployment_.connect_to(mongo::ReadFrom::secondary_preferred));
      result_.member = connection.member().address;
      return connection;
    }
    const auto members = TRY(deployment_.members());
    const auto found = std::find_if(members.begin(), members.end(),
                                    [&](const auto& member) { return member.address == member_; });
    auto connection =
        TRY(found == members.end() ? deployment_.connect_to(mongo::ReadFrom::secondary_preferred)
                                   : deployment_.connect_to(*found));
    result_.member = connection.member().address;
    return connection;
  }

  Result<void> start_capture(mongo::Connection& connection) {
    const mongo::MemberFacts& member = connection.member();
    const std::string server = member.set_name.empty() ? member.address : member.set_name;
    const auto age = context_.clock.now() - partial_.started;
    bool is_resumable = partial_.server == server;
    if (source_ != nullptr) {
      capture_.emplace(*source_, context_, options_.temp_directory);
      const auto recorded =
          TRY(catalog::RecordedSegments::find(repository_, snapshots_, options_.dataset));
      CaptureStart start;
      if (!recorded.segments().empty()) start.recorded = newest_of(recorded.segments());
      if (is_resumable) start.resumed_window = partial_.window_first;
      TRY(capture_->start(start));
      is_resumable = capture_->is_resumed();
      TRY(wait_for_member(connection));
    } else {
      is_resumable = is_resumable && !partial_.window_first && age < timeless_age_max;
    }
    if (!is_resumable) {
      partial_.collections.clear();
      partial_.started = label_.start;
    } else if (!partial_.collections.empty()) {
      note("it went on with what an unfinished copy had stored");
    }
    partial_.server = server;
    partial_.window_first.reset();
    if (!capture_) return {};
    partial_.window_first = capture_->window().first;
    const bool can_snapshot =
        member.wire_version_max >= snapshot_wire_version && partial_.collections.empty();
    const auto newest = TRY(source_->newest());
    if (can_snapshot && newest) snapshot_at_ = newest->time.ts;
    return {};
  }

  static oplog::SegmentFacts newest_of(const std::vector<dataset::StoredSegment>& segments) {
    const auto newest =
        std::max_element(segments.begin(), segments.end(), [](const auto& left, const auto& right) {
          return left.facts.last.ts < right.facts.last.ts;
        });
    return newest->facts;
  }

  // It must show at least what was there when the window began.
  Result<void> wait_for_member(mongo::Connection& connection) {
    for (int wait = 0; wait < catch_up_waits_max; ++wait) {
      const oplog::Timestamp has = connection.member().last_majority_write;
      if (has == oplog::Timestamp{} || has >= capture_->window().first) return {};
      context_.clock.sleep_for(catch_up_wait);
      TRY(context_.check_stop());
      const mongo::MemberFacts member = connection.member();
      connection = TRY(deployment_.connect_to(member));
    }
    return fail(ErrorCode::server_failed,
                fmt::format("{} does not catch up with the oplog", connection.member().address));
  }

  Result<void> copy(mongo::Connection& connection) {
    const std::size_t threads = std::clamp<std::size_t>(options_.threads, 1, threads_max);
    LoadThrottle throttle(
        context_, deployment_, connection.member(),
        {options_.max_rate, options_.max_load, options_.lag_max, options_.pause_max});
    const LiveCopySetup setup{.context = context_,
                              .deployment = deployment_,
                              .member = connection.member(),
                              .writer = writer_,
                              .chunk_seed = chunk_seed_of(repository_),
                              .throttle = throttle,
                              .snapshot_at = snapshot_at_,
                              .temp_directory = options_.temp_directory,
                              .threads = threads,
                              .sort_memory_bytes_max = options_.sort_memory_bytes_max};
    std::vector<dataset::MongoCollection> missing = catalog_.collections;
    for (int round = 0; round == 0 || !missing.empty(); ++round) {
      if (round == catalog_rounds_max)
        return fail(ErrorCode::conflict,
                    fmt::format("collections come faster than they can be copied, as {} did",
                                missing.front().ns()));
      auto plan = TRY(plan_copies({repository_, snapshots_, options_.dataset, connection,
                                   options_.range_bytes, std::move(partial_.collections)},
                                  missing));
      count_resumed(plan);
      LiveCopy copying(setup, std::move(plan));
      auto done = copy_all(copying);
      result_.bytes_read += copying.bytes_read();
      result_.ranges_read += copying.ranges_read();
      std::move(copying.collections().begin(), copying.collections().end(),
                std::back_inserter(copies_));
      TRY(std::move(done));
      auto again = look_again(connection);
      if (!again.has_value()) {
        partial_.collections = copies_;
        if (may_go_on_later(again.error().code)) TRY(note_partial(false));
        return fail(std::move(again.error()));
      }
      missing = std::move(*again);
      TRY(check_counts(connection, missing));
    }
    return {};
  }

  void count_resumed(const std::vector<CollectionCopy>& plan) {
    for (const CollectionCopy& copy : plan)
      for (const StoredRange& range : copy.stored)
        result_.ranges_resumed += range.is_resumed ? 1 : 0;
  }

  Result<void> copy_all(LiveCopy& copying) {
    Duration span = std::min<Duration>(first_round, options_.round_time);
    while (true) {
      auto done = copying.run_round(span);
      if (done.has_value() && *done) return {};
      TRY(keep_partial(copying, done.has_value()));
      if (!done.has_value()) return fail(std::move(done.error()));
      if (capture_) TRY(capture_->drain());
      span = std::min<Duration>(span * 2, options_.round_time);
    }
  }

  static bool may_go_on_later(ErrorCode code) {
    return code == ErrorCode::server_unreachable || code == ErrorCode::interrupted;
  }

  // A connection that nobody used while documents were copied may be gone.
  Result<mongo::Connection> connect_again(const mongo::MemberFacts& member) {
    for (int attempt = 1;; ++attempt) {
      auto connection = deployment_.connect_to(member);
      const bool may_pass = !connection.has_value() &&
                            connection.error().code == ErrorCode::server_unreachable &&
                            attempt < connect_attempts_max;
      if (!may_pass) return connection;
      context_.clock.sleep_for(connect_pause * attempt);
      TRY(context_.check_stop());
    }
  }

  Result<void> keep_partial(LiveCopy& copying, bool must_work) {
    partial_.collections = copies_;
    std::copy(copying.collections().begin(), copying.collections().end(),
              std::back_inserter(partial_.collections));
    return note_partial(must_work);
  }

  // After an error, what the error was matters more than whether this works.
  Result<void> note_partial(bool must_work) {
    auto kept = publish_partial(repository_, writer_, label_, partial_);
    partial_.collections.clear();
    if (must_work || kept.has_value()) return kept;
    context_.log.warn("what is stored could not be noted for the next run: " +
                      describe(kept.error()));
    return {};
  }

  // Ranges were to hold every document once. Where the server counted the same before and after,
  // and something else than they hold, it does not filter as it should: that collection is read
  // again by one cursor.
  Result<void> check_counts(mongo::Connection& connection,
                            std::vector<dataset::MongoCollection>& missing) {
    for (auto copy = copies_.begin(); copy != copies_.end();) {
      const bool is_right = TRY(is_counted_right(connection, *copy));
      copy->counted.reset();
      if (is_right) {
        ++copy;
        continue;
      }
      note(
          fmt::format("{} was read again by one cursor: ranges did not hold what the server counts",
                      copy->facts.ns()));
      copy->set_sorted();
      missing.push_back(copy->facts);
      partial_.collections.push_back(std::move(*copy));
      copy = copies_.erase(copy);
    }
    return {};
  }

  static Result<bool> is_counted_right(mongo::Connection& connection, const CollectionCopy& copy) {
    const bool has_resumed = std::any_of(copy.stored.begin(), copy.stored.end(),
                                         [](const StoredRange& range) { return range.is_resumed; });
    if (!copy.counted || copy.left_out || has_resumed || copy.way == CopyWay::sorted) return true;
    const auto after = TRY(dataset::count_documents(connection, copy.facts));
    if (after != copy.counted) return true;
    const std::uint64_t stored = TRY(stored_count(copy));
    return stored == *copy.counted;
  }

  // The catalog after the copy; what is in it and nobody knows of.
  Result<std::vector<dataset::MongoCollection>> look_again(mongo::Connection& connection) {
    const mongo::MemberFacts member = connection.member();
    connection = TRY(connect_again(member));
    auto second = TRY(dataset::read_live_catalog(connection));
    if (!capture_) {
      note_changes(second);
      return std::vector<dataset::MongoCollection>();
    }
    connection = TRY(connect_again(member));
    TRY(capture_->finish(connection.member().last_write));
    TRY(check_window());
    auto window = TRY(capture_->entries(WindowCapture::Part::window));
    auto comparison = TRY(compare_catalogs(catalog_.collections, second.collections, *window));
    if (!comparison.contradictions.empty())
      return fail(ErrorCode::conflict,
                  fmt::format("the catalog changed while it was copied, and the oplog does not "
                              "explain how ({}): run again",
                              comparison.contradictions.front()));
    if (comparison.has_changes || !comparison.unexplained.empty() ||
        second.collections.size() != catalog_.collections.size())
      snapshot_at_.reset();
    for (const auto& collection : comparison.unexplained) {
      note(collection.ns() + " was made while the copy was made");
      catalog_.collections.push_back(collection);
    }
    return std::move(comparison.unexplained);
  }

  // A base copied while something happened that can not be replayed is of no use, nor is what an
  // unfinished copy has: both begin before it.
  Result<void> check_window() {
    auto window = TRY(capture_->entries(WindowCapture::Part::window));
    while (true) {
      const auto entry = TRY(window->next());
      if (!entry) return {};
      const oplog::OpTime time = TRY(oplog::optime_of(*entry));
      const auto replayable = replay_check_.check(*entry);
      if (replayable.has_value() || time.ts <= capture_->window().first) continue;
      TRY(remove_partial(repository_, partial_));
      return fail(ErrorCode::unsupported,
                  "while the copy was made the server did what can not be replayed: run again; " +
                      replayable.error().message);
    }
  }

  void note_changes(const dataset::LiveCatalog& second) {
    const auto names = [](const std::vector<dataset::MongoCollection>& collections) {
      std::vector<std::string> out;
      for (const auto& collection : collections) out.push_back(collection.ns());
      return out;
    };
    if (names(catalog_.collections) != names(second.collections))
      note("collections were made or dropped while the copy was made");
  }

  Result<void> publish() {
    if (capture_) TRY(take_oplog());
    TRY(store_base());
    if (segments_) result_.base.segments_snapshot = TRY(segments_->publish());
    note_recoverable();
    result_.base.snapshot = TRY(base_.publish());
    result_.base.summary = base_.summary();
    return remove_partial(repository_, partial_);
  }

  Result<void> take_oplog() {
    result_.base.window = capture_->window();
    const bool is_exact =
        snapshot_at_ && std::all_of(copies_.begin(), copies_.end(),
                                    [](const auto& copy) { return copy.is_exact(); });
    if (is_exact) result_.base.window = {oplog::BaseKind::exact, *snapshot_at_, *snapshot_at_};
    auto recorded = TRY(catalog::RecordedSegments::find(repository_, snapshots_, options_.dataset));
    segments_.emplace(repository_, writer_, label_);
    dataset::SegmentIntake intake(
        recorded.segments(),
        [&recorded](const dataset::StoredSegment& segment) { return recorded.load(segment); },
        [this](const oplog::SegmentFacts& facts, ByteView bytes) {
          return segments_->add(facts, bytes);
        },
        [this](ByteView entry) -> std::optional<std::string> {
          const auto replayable = replay_check_.check(entry);
          if (replayable.has_value()) return std::nullopt;
          return replayable.error().message;
        });
    auto entries = TRY(capture_->entries(WindowCapture::Part::all));
    while (true) {
      const auto entry = TRY(entries->next());
      if (!entry) break;
      TRY(intake.add(*entry).while_doing("taking in the oplog"));
    }
    TRY(intake.finish());
    result_.base.oplog = intake.report();
    recorded_ = recorded.segments();
    return {};
  }

  Result<void> store_base() {
    dataset::MongoManifest& manifest = base_.manifest();
    manifest.server_version = result_.server_version;
    manifest.tool_version = options_.author.program_version;
    manifest.scope = dataset::DumpScope::instance;
    // A member lists them where it has them; with an oplog also those to come are known.
    manifest.has_system_collections = catalog_.has_system_collections || capture_.has_value();
    manifest.window = result_.base.window;
    result_.base.notes.insert(result_.base.notes.end(), catalog_.notes.begin(),
                              catalog_.notes.end());
    const auto by_name = [](const dataset::MongoCollection& left,
                            const dataset::MongoCollection& right) {
      return left.ns() < right.ns();
    };
    std::sort(catalog_.collections.begin(), catalog_.collections.end(), by_name);
    for (const dataset::MongoCollection& collection : catalog_.collections)
      TRY(store_collection(collection).while_doing("storing " + collection.ns()));
    if (!capture_ || result_.base.window->kind != oplog::BaseKind::fuzzy) return {};
    auto window = TRY(capture_->entries(WindowCapture::Part::window));
    return base_.add_window_oplog(*window);
  }

  Result<void> store_collection(const dataset::MongoCollection& collection) {
    if (!collection.has_documents) {
      TRY(base_.add_metadata(collection));
      dataset::StoredCollection stored;
      stored.facts = collection;
      note_collection(stored, 0);
      return {};
    }
    const auto copy = std::find_if(copies_.begin(), copies_.end(), [&](const auto& each) {
      return each.facts.db == collection.db && each.facts.name == collection.name &&
             each.facts.uuid == collection.uuid;
    });
    if (copy == copies_.end()) return fail(ErrorCode::failed, collection.ns() + " was not copied");
    if (copy->left_out) {
      note(fmt::format("{} is left out: {}", collection.ns(), *copy->left_out));
      return {};
    }
    CollectionContent content(writer_, chunk_seed_of(repository_));
    TRY(collect_chunks(*copy, content));
    const auto stored = TRY(base_.add_collection(collection, content));
    std::uint64_t chunk_new_count = 0;
    for (const StoredRange& range : copy->stored) chunk_new_count += range.chunk_new_count;
    note_collection(stored, chunk_new_count);
    if (copy->duplicate_count > 0)
      note(fmt::format("{}: {} documents were there twice; the later ones were kept",
                       collection.ns(), copy->duplicate_count));
    copies_.erase(copy);
    return {};
  }

  void note_collection(const dataset::StoredCollection& stored, std::uint64_t chunk_new_count) {
    result_.base.collections.push_back({.ns = stored.facts.ns(),
                                        .type = stored.facts.type,
                                        .count = stored.count,
                                        .bytes = stored.bytes,
                                        .chunk_count = stored.chunk_count,
                                        .chunk_new_count = chunk_new_count,
                                        .digest = stored.digest});
  }

  void note_recoverable() {
    if (!result_.base.window) return;
    std::vector<dataset::StoredSegment> all = std::move(recorded_);
    for (const oplog::SegmentFacts& facts : segments_->segments()) all.push_back({facts, {}});
    std::vector<oplog::SegmentFacts> segments;
    for (const auto& stored : dataset::sort_segments(std::move(all)))
      segments.push_back(stored.facts);
    const auto timeline = oplog::Timeline::make(std::move(segments));
    if (!timeline.has_value()) {
      note("the recorded oplog is not sound: " + timeline.error().message);
      return;
    }
    const auto windows = timeline->recoverable({*result_.base.window});
    if (windows.empty()) return;
    result_.base.recoverable_from = windows.front().from;
    result_.base.recoverable_to = windows.front().to;
  }

  void note(std::string text) { result_.base.notes.push_back(std::move(text)); }

  repo::Repository& repository_;
  Context& context_;
  mongo::Deployment& deployment_;
  const BackupMongoOptions& options_;
  repo::Writer& writer_;
  catalog::DatasetLabel label_;
  std::vector<repo::StoredSnapshot> snapshots_;   // when it began
  std::unique_ptr<dataset::OplogSource> source_;  // null: the server has no oplog
  std::string member_;                            // whose oplog it is
  std::optional<WindowCapture> capture_;
  oplog::ReplayCheck replay_check_;
  PartialBase partial_;
  // The moment that is read, as long as nothing speaks against a base of just this moment.
  std::optional<oplog::Timestamp> snapshot_at_;
  dataset::LiveCatalog catalog_;
  std::vector<CollectionCopy> copies_;  // finished ones
  BaseSnapshot base_{repository_, writer_, label_};
  std::optional<SegmentSnapshot> segments_;
  std::vector<dataset::StoredSegment> recorded_;
  BackupMongoResult result_;
};

}  // namespace

Result<BackupMongoResult> backup_mongo(repo::Repository& repository, mongo::Deployment& deployment,
                                       const BackupMongoOptions& options) {
  TRY(dataset::check_dataset_name(options.dataset));
  auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  repo::WriterOptions writer_options = options.writer;
  writer_options.on_stop = repo::OnStop::go_on;  // to note what is stored; the readers do stop
  auto writer = TRY(repo::Writer::make(repository, writer_options));
  MongoBackup backup(repository, deployment, options, writer, std::move(snapshots));
  return backup.run();
}

}  // namespace holdfast::backup
