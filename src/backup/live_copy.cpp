#include "backup/live_copy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/task_group.hpp"
#include "bson/compare.hpp"
#include "bson/key.hpp"
#include "dataset/live_scan.hpp"
#include "dataset/mongo_sorter.hpp"
#include "dataset/mongo_stream.hpp"
#include "dataset/spill_files.hpp"

namespace holdfast::backup {

namespace {

// Between two looks at limits and at the wish to stop.
constexpr std::uint64_t stride_bytes = std::uint64_t{256} << 10;
constexpr int attempts_max = 3;
constexpr Duration attempt_pause = std::chrono::seconds(1);  // doubles

bool may_pass(ErrorCode code) {
  return code == ErrorCode::server_unreachable || code == ErrorCode::server_failed;
}

Result<void> for_each_entry(ByteView entries,
                            const std::function<Result<void>(ByteView entry)>& use) {
  dataset::BsonBytes reader(entries, "chunk index");
  while (true) {
    const auto entry = TRY(reader.next());
    if (!entry) return {};
    TRY(use(*entry));
  }
}

// All entries of a copy in order; `use` for each.
Result<void> for_each_chunk(const CollectionCopy& copy,
                            const std::function<Result<void>(ByteView entry)>& use) {
  const StoredRange& last = copy.stored.back();
  const bool has_rest = copy.ranges.back().kind == dataset::RangeKind::rest;
  if (has_rest) TRY(for_each_entry(last.entries, use));
  for (std::size_t at = 0; at + (has_rest ? 1 : 0) < copy.stored.size(); ++at)
    TRY(for_each_entry(copy.stored[at].entries, use));
  return for_each_entry(last.entries_behind, use);
}

// Whether the stretches follow each other as they should: a server that compares in its own way
// would give a document twice, or in another place.
Result<bool> is_ascending(const CollectionCopy& copy) {
  if (copy.order == dataset::StoredOrder::natural) return true;
  bool ascends = true;
  Bytes previous;
  const auto look = [&](ByteView raw) -> Result<void> {
    const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(raw)));
    const Bytes first = entry.first_id ? bson::key_of(*entry.first_id) : Bytes();
    ascends = ascends && (previous.empty() || bson::compare_bytes(previous, first) < 0);
    previous = entry.last_id ? bson::key_of(*entry.last_id) : Bytes();
    return {};
  };
  TRY(for_each_chunk(copy, look));
  return ascends;
}

}  // namespace

void CollectionCopy::set_bounds(std::vector<Bytes> usable) {
  bounds = std::move(usable);
  ranges = dataset::ranges_between(bounds);
  stored.assign(ranges.size(), {});
}

void CollectionCopy::set_sorted() {
  set_bounds({});
  way = CopyWay::sorted;
}

bool CollectionCopy::is_done() const {
  return std::all_of(stored.begin(), stored.end(),
                     [](const StoredRange& range) { return range.is_done; });
}

bool CollectionCopy::is_exact() const {
  return left_out || std::all_of(stored.begin(), stored.end(),
                                 [](const StoredRange& range) { return range.is_exact; });
}

Result<void> collect_chunks(const CollectionCopy& copy, CollectionContent& content) {
  TRY(for_each_chunk(copy, [&](ByteView entry) { return content.add(entry); }));
  return content.finish();
}

Result<std::uint64_t> stored_count(const CollectionCopy& copy) {
  std::uint64_t count = 0;
  const auto add = [&](ByteView raw) -> Result<void> {
    const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(raw)));
    count += entry.count;
    return {};
  };
  TRY(for_each_chunk(copy, add));
  return count;
}

// One thread of a round.
class LiveCopy::Worker {
 public:
  explicit Worker(LiveCopy& copy) : copy_(copy), setup_(copy.setup_) {}

  Result<void> run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto task = copy_.take_task();
      if (!task) return {};
      TRY(work(*task).while_doing("copying " + facts(*task).ns()));
    }
    return {};
  }

 private:
  const dataset::MongoCollection& facts(const Task& task) const {
    return copy_.collections_[task.collection].facts;
  }

  Result<void> work(Task task) {
    Duration pause = attempt_pause;
    for (int attempt = 1;; ++attempt) {
      auto done = attempt_once(task);
      if (done.has_value()) return done;
      const ErrorCode code = done.error().code;
      if (code == ErrorCode::denied && facts(task).ns().starts_with("admin.system.")) {
        copy_.leave_out(task.collection, done.error().message);
        return {};
      }
      if (!may_pass(code)) return done;
      if (code == ErrorCode::server_failed && task.at) {
        copy_.leave_snapshot();
        task.at.reset();
        continue;
      }
      if (attempt == attempts_max) {
        // Perhaps it does not know the filter.
        const bool is_whole = task.range.kind == dataset::RangeKind::everything;
        if (is_whole || code != ErrorCode::server_failed) return done;
        copy_.fall_back(task.collection);
        return {};
      }
      connection_.reset();
      setup_.context.clock.sleep_for(pause);
      TRY(setup_.context.check_stop());
      pause *= 2;
    }
  }

  Result<void> attempt_once(const Task& task) {
    if (!connection_) {
      auto connection = TRY(setup_.deployment.connect_to(setup_.member));
      connection_.emplace(std::move(connection));
    }
    return task.way == CopyWay::sorted ? copy_sorted(task) : copy_range(task);
  }

  Result<void> copy_range(const Task& task) {
    StoredRange stored;
    ChunkWriter chunks(setup_.writer, setup_.chunk_seed, [&](ByteView entry) -> Result<void> {
      append(stored.entries, entry);
      return {};
    });
    ChunkWriter behind(setup_.writer, setup_.chunk_seed, [&](ByteView entry) -> Result<void> {
      append(stored.entries_behind, entry);
      return {};
    });
    const bool is_rest = task.range.kind == dataset::RangeKind::rest;
    const auto add = [&](ByteView document, ByteView key) -> Result<void> {
      TRY(account(document.size()));
      const bool is_behind = is_rest && bson::compare_bytes(key, task.range.lower_key) > 0;
      return is_behind ? behind.add(document, key) : chunks.add(document, key);
    };
    const auto order = task.order == dataset::StoredOrder::natural ? dataset::ScanOrder::natural
                                                                   : dataset::ScanOrder::by_id;
    const auto outcome =
        TRY(dataset::scan_range(*connection_, {facts(task), task.range, order, task.at}, add));
    if (outcome == dataset::ScanOutcome::no_snapshot) return no_snapshot();
    if (outcome != dataset::ScanOutcome::complete) {
      copy_.fall_back(task.collection);
      return {};
    }
    TRY(chunks.finish());
    TRY(behind.finish());
    stored.chunk_new_count = chunks.new_count() + behind.new_count();
    TRY(account_rest());
    copy_.keep(task, std::move(stored), 0);
    return {};
  }

  Result<void> copy_sorted(const Task& task) {
    dataset::SpillFiles spill(setup_.temp_directory);
    dataset::DocumentSorter sorter(
        spill, {.memory_bytes_max = setup_.sort_memory_bytes_max / setup_.threads});
    const auto add = [&](ByteView document, ByteView) -> Result<void> {
      TRY(account(document.size()));
      return sorter.add(document);
    };
    const auto outcome = TRY(dataset::scan_range(
        *connection_, {facts(task), task.range, dataset::ScanOrder::natural, task.at}, add));
    if (outcome == dataset::ScanOutcome::no_snapshot) return no_snapshot();
    auto sorted = TRY(sorter.finish());
    StoredRange stored;
    ChunkWriter chunks(setup_.writer, setup_.chunk_seed, [&](ByteView entry) -> Result<void> {
      append(stored.entries, entry);
      return {};
    });
    Bytes key;
    while (true) {
      const auto document = TRY(sorted->next());
      if (!document) break;
      key.clear();
      dataset::id_key_of(bson::Document::trusted(*document), key);
      TRY(chunks.add(*document, key));
    }
    TRY(chunks.finish());
    stored.chunk_new_count = chunks.new_count();
    TRY(account_rest());
    copy_.keep(task, std::move(stored), sorter.duplicate_count());
    return {};
  }

  static tl::unexpected<Error> no_snapshot() {
    return fail(ErrorCode::server_failed, "the server does not read as of a moment");
  }

  Result<void> account(std::uint64_t bytes) {
    pending_ += bytes;
    return pending_ < stride_bytes ? Result<void>() : account_rest();
  }

  Result<void> account_rest() {
    const std::uint64_t bytes = std::exchange(pending_, 0);
    copy_.count_read(bytes);
    return setup_.throttle.take(bytes);
  }

  LiveCopy& copy_;
  const LiveCopySetup& setup_;
  std::optional<mongo::Connection> connection_;
  std::uint64_t pending_ = 0;
};

LiveCopy::LiveCopy(const LiveCopySetup& setup, std::vector<CollectionCopy> collections)
    : setup_(setup), snapshot_at_(setup.snapshot_at), collections_(std::move(collections)) {
  for (const CollectionCopy& copy : collections_) bytes_total_ += copy.bytes_estimate;
}

Result<bool> LiveCopy::run_round(Duration span) {
  collect_tasks();
  round_end_ = setup_.context.clock.monotonic() + span;
  const std::size_t thread_count = std::min(setup_.threads, task_count());
  TaskGroup group;
  for (std::size_t thread = 0; thread < thread_count; ++thread)
    group.start([this](const std::stop_token& stop) { return Worker(*this).run(stop); });
  TRY(group.wait());
  bool is_done = true;
  for (CollectionCopy& copy : collections_) {
    if (copy.is_done() && copy.way == CopyWay::by_ranges) {
      const bool ascends = TRY(is_ascending(copy));
      if (!ascends) copy.set_sorted();
    }
    is_done = is_done && copy.is_done();
  }
  return is_done;
}

void LiveCopy::collect_tasks() {
  MutexLock lock(mutex_);
  tasks_.clear();
  collections_done_ = 0;
  for (std::size_t at = collections_.size(); at-- > 0;) {
    const CollectionCopy& copy = collections_[at];
    if (copy.is_done()) ++collections_done_;
    for (std::size_t range = copy.stored.size(); range-- > 0;)
      if (!copy.stored[range].is_done) tasks_.push_back({at, range, {}, copy.way, copy.order, {}});
  }
}

std::size_t LiveCopy::task_count() {
  MutexLock lock(mutex_);
  return tasks_.size();
}

std::optional<LiveCopy::Task> LiveCopy::take_task() {
  MutexLock lock(mutex_);
  if (setup_.context.clock.monotonic() >= round_end_) return std::nullopt;
  while (!tasks_.empty()) {
    Task task = std::move(tasks_.back());
    tasks_.pop_back();
    const CollectionCopy& copy = collections_[task.collection];
    if (copy.left_out || copy.way != task.way) continue;
    task.range = copy.ranges[task.number];
    task.at = snapshot_at_;
    return task;
  }
  return std::nullopt;
}

void LiveCopy::keep(const Task& task, StoredRange stored, std::uint64_t duplicate_count) {
  MutexLock lock(mutex_);
  CollectionCopy& copy = collections_[task.collection];
  if (copy.way != task.way) return;
  stored.is_done = true;
  stored.is_exact = task.at.has_value();
  copy.stored[task.number] = std::move(stored);
  copy.duplicate_count += duplicate_count;
  ++ranges_read_;
  if (copy.is_done()) ++collections_done_;
}

// The server does not sort or filter as we do: its documents are taken as they come.
void LiveCopy::fall_back(std::size_t collection) {
  MutexLock lock(mutex_);
  CollectionCopy& copy = collections_[collection];
  if (copy.way == CopyWay::sorted) return;
  copy.set_sorted();
  tasks_.push_back({collection, 0, {}, copy.way, copy.order, {}});
}

// What was the moment is too old for the server, or it has no such reads.
void LiveCopy::leave_snapshot() {
  MutexLock lock(mutex_);
  snapshot_at_.reset();
}

void LiveCopy::leave_out(std::size_t collection, std::string why) {
  MutexLock lock(mutex_);
  CollectionCopy& copy = collections_[collection];
  copy.left_out = std::move(why);
  for (StoredRange& stored : copy.stored) stored.is_done = true;
}

void LiveCopy::count_read(std::uint64_t bytes) {
  std::uint64_t done = 0;
  std::uint64_t read = 0;
  {
    MutexLock lock(mutex_);
    bytes_read_ += bytes;
    read = bytes_read_;
    done = collections_done_;
  }
  setup_.context.log.progress({.phase = "backup",
                               .files_done = done,
                               .files_total = collections_.size(),
                               .bytes_done = read,
                               .bytes_total = std::max(bytes_total_, read)});
}

}  // namespace holdfast::backup
