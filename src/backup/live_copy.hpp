#pragma once
// Copying the documents of a running server: collections are cut into stretches of `_id`, which
// several threads read and store at once. It works in rounds; between them nobody is reading, so
// that what is stored can be written down and the oplog be fetched.
#include <optional>
#include <string>

#include "backup/collection_content.hpp"
#include "backup/load_throttle.hpp"
#include "dataset/live_ranges.hpp"
#include "repo/writer.hpp"

namespace holdfast::backup {

// Entries of the chunk index, one behind the other, of one stored stretch.
struct StoredRange {
  Bytes entries;
  Bytes entries_behind;  // of the rest only: what lies behind all other stretches
  std::uint64_t chunk_new_count = 0;
  bool is_done = false;
  bool is_resumed = false;  // by a run before
  bool is_exact = false;    // of the moment that was asked for
};

enum class CopyWay : std::uint8_t {
  by_ranges,  // the server sorts
  sorted      // one cursor, in no order; sorted here
};

// One collection on its way. Plain value.
struct CollectionCopy {
  dataset::MongoCollection facts;
  dataset::StoredOrder order = dataset::StoredOrder::by_id;
  CopyWay way = CopyWay::by_ranges;
  std::vector<Bytes> bounds;  // usable ones
  std::vector<dataset::IdRange> ranges;
  std::vector<StoredRange> stored;       // one for each range
  std::optional<std::uint64_t> counted;  // by the server, before a copy in several ranges
  std::uint64_t bytes_estimate = 0;      // by the server; for the eyes of a person
  std::uint64_t duplicate_count = 0;     // left out because of a later one with the same `_id`
  std::optional<std::string> left_out;   // why it can not be read

  void set_bounds(std::vector<Bytes> usable);
  void set_sorted();
  bool is_done() const;
  bool is_exact() const;
};

// Feeds the chunks of a copied collection in order. REQUIRES: is_done(), of a round that ended
// well.
Result<void> collect_chunks(const CollectionCopy& copy, CollectionContent& content);
Result<std::uint64_t> stored_count(const CollectionCopy& copy);

struct LiveCopySetup {
  Context& context;
  mongo::Deployment& deployment;
  mongo::MemberFacts member;  // the one to read from
  repo::Writer& writer;
  std::uint64_t chunk_seed = 0;
  LoadThrottle& throttle;
  // Read as of this moment, as long as the server can; then majority reads.
  std::optional<oplog::Timestamp> snapshot_at = {};
  std::filesystem::path temp_directory;
  std::size_t threads = 4;
  std::size_t sort_memory_bytes_max = 0;
};

// The owner's thread runs rounds; within them several threads work.
class LiveCopy {
 public:
  LiveCopy(const LiveCopySetup& setup, std::vector<CollectionCopy> collections);

  // Copies until everything is done, or, with the stretch at hand finished, for `span`. True: all
  // is done. Errors: server_unreachable, interrupted, those of the store. What was finished before
  // stays in collections().
  Result<bool> run_round(Duration span);

  // Between rounds only.
  std::vector<CollectionCopy>& collections() { return collections_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  std::uint64_t ranges_read() const { return ranges_read_; }

 private:
  struct Task {
    std::size_t collection = 0;
    std::size_t number = 0;  // of the range
    dataset::IdRange range;
    CopyWay way = CopyWay::by_ranges;
    dataset::StoredOrder order = dataset::StoredOrder::by_id;
    std::optional<oplog::Timestamp> at;
  };
  class Worker;

  void collect_tasks();
  std::size_t task_count();
  std::optional<Task> take_task();
  void keep(const Task& task, StoredRange stored, std::uint64_t duplicate_count);
  void fall_back(std::size_t collection);
  void leave_snapshot();
  void leave_out(std::size_t collection, std::string why);
  void count_read(std::uint64_t bytes);

  LiveCopySetup setup_;
  std::optional<oplog::Timestamp> snapshot_at_;
  std::vector<CollectionCopy> collections_;
  Mutex mutex_;
  std::vector<Task> tasks_;  // the last one is next
  std::uint64_t collections_done_ = 0;
  std::uint64_t bytes_total_ = 0;  // an estimate
  std::uint64_t bytes_read_ = 0;
  std::uint64_t ranges_read_ = 0;
  Duration round_end_{};
};

}  // namespace holdfast::backup
