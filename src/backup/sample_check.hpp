#pragma once
// Compares parts of a base that was computed (synthetic_full.hpp) with the live server: chunks
// chosen by chance, and counts. The server is later than the base; what was changed since proves
// nothing and does not count.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/rng.hpp"
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_manifest.hpp"
#include "mongo/deployment.hpp"

namespace holdfast::backup {

// Some documents of one collection as a base has them: an `_id` range, both ends included, or all.
// Plain value.
struct RecordedRange {
  std::string ns;
  std::optional<oplog::Uuid> uuid;
  Bytes ids;  // {first, last}; empty: the whole collection, of which only the count is known
  std::uint64_t count = 0;
  bson::Digest256 digest;
};

// "shop.orders, _id 5 to 9"
std::string describe(const RecordedRange& range);

// The two ends of a range as keys. REQUIRES: it is not a whole collection.
struct RangeKeys {
  Bytes first;
  Bytes last;
  bool holds(ByteView key) const;
};
RangeKeys keys_of(const RecordedRange& range);

// Chooses chunks by chance, each with the same probability, while they pass by. One thread.
class RangeChoice {
 public:
  RangeChoice(Rng& rng, std::size_t count_max) : rng_(rng), count_max_(count_max) {}

  // Ignores chunks that a query by `_id` can not ask for alone: ends of different types, text under
  // a collation, no `_id`.
  void offer(const dataset::MongoCollection& collection, const dataset::ChunkEntry& chunk);
  std::vector<RecordedRange> take() { return std::move(chosen_); }

 private:
  Rng& rng_;
  std::size_t count_max_;
  std::uint64_t offered_ = 0;
  std::vector<RecordedRange> chosen_;
};

// The server, as far as a check needs it. One thread.
class LiveDocuments {
 public:
  struct Content {
    std::uint64_t count = 0;
    bson::Digest256 digest;
  };
  enum class Wish : std::uint8_t { more, enough };
  using TakeEntry = std::function<Result<Wish>(ByteView entry)>;

  virtual ~LiveDocuments() = default;
  // Documents of ranges of one collection that a majority has: one for each, in one query, because
  // some servers read the whole collection for each.
  virtual Result<std::vector<Content>> contents(
      const std::vector<const RecordedRange*>& ranges) = 0;
  // Of a whole collection.
  virtual Result<std::uint64_t> count(const RecordedRange& range) = 0;
  // Raw oplog entries that a majority has, from the one at `from` on, to the newest.
  virtual Result<void> entries(oplog::Timestamp from, const TakeEntry& take) = 0;
};

// Reads from a secondary if there is one. The deployment must outlive it.
std::unique_ptr<LiveDocuments> live_documents(mongo::Deployment& deployment);

struct SampleCheckOptions {
  // One part is read alone; of the others as many as will probably fit into this time. Some servers
  // look at the whole collection for each. No clock: all are read.
  Clock* clock = nullptr;
  std::chrono::milliseconds time_max{500};
  std::uint64_t entries_max = 2'000'000;  // read to see what changed since; beyond: undecided
};

struct SampleReport {
  std::uint64_t left_out_count = 0;      // for lack of time
  std::uint64_t equal_count = 0;         // ranges and counts that are as recorded
  std::uint64_t undecided_count = 0;     // changed since, or nobody knows
  std::vector<std::string> differences;  // a sentence for each range or count, for a person
  std::vector<std::string> notes;

  bool is_failed() const { return !differences.empty(); }
};

// `at`: the moment of the base. Errors: those of the server.
Result<SampleReport> check_samples(LiveDocuments& live, oplog::Timestamp at,
                                   const std::vector<RecordedRange>& ranges,
                                   const SampleCheckOptions& options = {});

}  // namespace holdfast::backup
