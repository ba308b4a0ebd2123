#include "backup/rewrite_estimate.hpp"

#include <doctest/doctest.h>

#include <set>

#include "backup/chunk_index_reader.hpp"
#include "doubles/synthetic_world.hpp"

namespace holdfast::backup {
namespace {

using test::DatabaseModel;
using test::SyntheticWorld;

constexpr std::size_t pad = 20'000;
constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();

DatabaseModel shop() {
  DatabaseModel model;
  model.create("shop.orders", 'A');
  model.create("shop.old", 'O');
  for (std::int64_t id = 0; id < 400; ++id) {
    model.insert("shop.orders", DatabaseModel::document(id * 10, 0, pad));
    if (id % 4 == 0) model.insert("shop.old", DatabaseModel::document(id, 0, pad));
  }
  return model;
}

class Entries final : public oplog::EntrySource {
 public:
  explicit Entries(const std::vector<Bytes>& entries) : entries_(entries) {}
  Result<std::optional<ByteView>> next() override {
    if (at_ == entries_.size()) return std::optional<ByteView>();
    return std::optional<ByteView>(entries_[at_++]);
  }
  Result<void> rewind() override {
    at_ = 0;
    return {};
  }

 private:
  const std::vector<Bytes>& entries_;
  std::size_t at_ = 0;
};

class Estimate {
 public:
  explicit Estimate(const DatabaseModel& model) {
    const auto id = world_.import_base(model);
    repository_.emplace(world_.memory.open_indexed());
    stored_ = repository_->load_snapshot(id).value();
    base_ = catalog::StoredBase::open(*repository_, stored_).value();
  }

  std::optional<std::uint64_t> of(const DatabaseModel& model, std::uint64_t enough = no_end) {
    Entries entries(model.entries);
    const auto found = touched_bytes(*repository_, *base_, stored_.snapshot.tree, entries, enough);
    REQUIRE(found.has_value());
    return *found;
  }

  // By looking at every chunk of the collection for every `_id`.
  std::uint64_t expected(const std::string& ns, const std::vector<std::int64_t>& ids) {
    repo::SnapshotFiles files(*repository_, stored_.snapshot.tree);
    std::uint64_t sum = 0;
    for (const auto& collection : base_->manifest().collections) {
      if (collection.facts.ns() != ns) continue;
      const auto path = dataset::chunk_index_path(collection.facts);
      ChunkIndexReader index(*repository_, files.find(path).value()->content, path);
      while (const auto chunk = index.next().value()) {
        const auto entry =
            dataset::decode_chunk_entry(bson::Document::trusted(chunk->raw())).value();
        const bool holds_one = std::any_of(ids.begin(), ids.end(), [&](std::int64_t id) {
          const Bytes probe = test::json(DatabaseModel::document(id, 0, 0));
          return dataset::may_hold(entry, *bson::Document::trusted(probe).find("_id"));
        });
        if (holds_one) sum += entry.bytes;
      }
    }
    return sum;
  }

 private:
  SyntheticWorld world_;
  std::optional<repo::Repository> repository_;
  repo::StoredSnapshot stored_;
  std::unique_ptr<catalog::StoredBase> base_;
};

TEST_CASE("the chunks that documents lie in are counted, each once") {
  DatabaseModel model = shop();
  Estimate estimate(model);
  CHECK(estimate.of(model) == 0);
  SeededRng rng(3);
  std::vector<std::int64_t> ids;
  for (int round = 0; round < 12; ++round) {
    const auto id = static_cast<std::int64_t>(rng.below(400)) * 10;
    ids.push_back(id);
    model.update("shop.orders", id, round);
    CAPTURE(round);
    REQUIRE(estimate.of(model) == estimate.expected("shop.orders", ids));
  }
  model.in_transaction([&] { model.update("shop.old", 100, 5); });
  CHECK(estimate.of(model) ==
        estimate.expected("shop.orders", ids) + estimate.expected("shop.old", {100}));
}

TEST_CASE("documents behind the last one touch the last chunk, and those of new collections none") {
  DatabaseModel model = shop();
  Estimate estimate(model);
  model.create("shop.new", 'N');
  model.insert("shop.new", DatabaseModel::document(1, 0, pad));
  CHECK(estimate.of(model) == 0);
  for (std::int64_t id = 9000; id < 9100; ++id)
    model.insert("shop.orders", DatabaseModel::document(id, 0, pad));
  CHECK(estimate.of(model) == estimate.expected("shop.orders", {3990}));
}

TEST_CASE("a dropped collection costs nothing, whatever was changed in it before") {
  DatabaseModel model = shop();
  Estimate estimate(model);
  for (std::int64_t id = 0; id < 400; id += 40) model.update("shop.old", id, 1);
  model.update("shop.orders", 0, 1);
  model.drop("shop.old");
  CHECK(estimate.of(model) == estimate.expected("shop.orders", {0}));
}

TEST_CASE("counting ends when it is enough") {
  DatabaseModel model = shop();
  Estimate estimate(model);
  for (std::int64_t id = 0; id < 4000; id += 10) model.update("shop.orders", id, 1);
  const auto one = estimate.expected("shop.orders", {0});
  const auto found = estimate.of(model, one);
  REQUIRE(found);
  CHECK(*found > one);
  CHECK(*found < *estimate.of(model) / 2);
}

TEST_CASE("an entry that is not understood leaves it open") {
  DatabaseModel model = shop();
  Estimate estimate(model);
  model.update("shop.orders", 0, 1);
  model.entries.push_back(test::json(R"({"ts":{"$timestamp":{"t":100000,"i":1}},"op":"?"})"));
  CHECK_FALSE(estimate.of(model));
}

TEST_CASE("only segments that reach behind the base count as recorded") {
  oplog::Chain chain;
  for (std::uint32_t at = 0; at < 3; ++at) {
    oplog::SegmentFacts segment;
    segment.first.ts = {at * 10, 1};
    segment.last.ts = {at * 10 + 9, 1};
    segment.byte_count = 100;
    segment.entry_count = 10;
    chain.segments.push_back(segment);
  }
  const auto recorded = recorded_since(chain, {oplog::BaseKind::fuzzy, {5, 1}, {9, 1}});
  CHECK(recorded.bytes == 200);
  CHECK(recorded.entries == 20);
}

TEST_CASE("a base is put off while rewriting costs many times what was recorded, and it is young") {
  using std::chrono::hours;
  RewritePolicy policy;
  CHECK_FALSE(rewrite_bytes_max({1000, 1}, hours(1), policy));
  policy.may_put_off = true;
  CHECK(rewrite_bytes_max({1000, 1}, hours(1), policy) == policy.always_bytes);
  CHECK(rewrite_bytes_max({policy.always_bytes, 1}, hours(1), policy) == policy.always_bytes * 8);
  CHECK_FALSE(rewrite_bytes_max({1000, 1}, policy.base_age_max, policy));
  CHECK_FALSE(rewrite_bytes_max({policy.recorded_bytes_max, 1}, hours(1), policy));
  CHECK_FALSE(rewrite_bytes_max({1000, policy.recorded_entries_max}, hours(1), policy));
}

}  // namespace
}  // namespace holdfast::backup
