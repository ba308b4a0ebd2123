#include "backup/synthetic_full.hpp"

#include <doctest/doctest.h>

#include "backup/base_rewrite.hpp"
#include "backup/import_mongo.hpp"
#include "catalog/stored_base.hpp"
#include "doubles/database_model.hpp"
#include "doubles/synthetic_world.hpp"

namespace holdfast::backup {
namespace {

using test::DatabaseModel;
using test::MemoryRepository;
using test::SyntheticWorld;

constexpr std::size_t pad = 20'000;

// 400 documents of about 20 kB: some ten chunks.
void fill(DatabaseModel& model, const std::string& ns, std::int64_t count = 400) {
  for (std::int64_t id = 0; id < count; ++id)
    model.insert(ns, DatabaseModel::document(id * 10, 0, pad));
}

DatabaseModel shop() {
  DatabaseModel model;
  model.create("shop.orders", 'A');
  fill(model, "shop.orders");
  return model;
}

const SyntheticCollection& find(const SyntheticResult& result, const std::string& ns) {
  for (const auto& collection : result.collections) {
    if (collection.ns == ns) return collection;
  }
  FAIL("no collection " << ns);
  std::abort();
}

TEST_CASE("one changed document costs one chunk, and the result is what a full backup stores") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 2000, 7);
  world.record(model);
  const auto result = world.synthetic();
  REQUIRE(result.snapshot);
  CHECK(result.at == oplog::Timestamp{model.now(), 1});
  const auto& orders = find(result, "shop.orders");
  CHECK(orders.chunk_count > 5);
  CHECK(orders.chunk_new_count == 1);
  CHECK(result.chunk_read_count <= 2);
  CHECK(orders.chunk_kept_count + result.chunk_read_count == orders.chunk_count);
  world.compare_with_real(model, *result.snapshot);
}

TEST_CASE("documents behind the last one touch only the last chunk") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  for (std::int64_t id = 10'000; id < 10'030; ++id)
    model.insert("shop.orders", DatabaseModel::document(id, 1, pad));
  world.record(model);
  const auto result = world.synthetic();
  CHECK(result.chunk_read_count == 1);
  world.compare_with_real(model, *result.snapshot);
}

TEST_CASE("a base without changes since is taken over without reading a chunk") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.noop();
  world.record(model);
  const auto result = world.synthetic();
  REQUIRE(result.snapshot);
  CHECK(result.chunk_read_count == 0);
  world.compare_with_real(model, *result.snapshot);
}

TEST_CASE("nothing new makes no base") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  const auto result = world.synthetic();
  CHECK_FALSE(result.snapshot);
  CHECK(result.notes.size() == 1);
}

TEST_CASE(
    "collections that are made, renamed, dropped, indexed or capped come out as on the server") {
  DatabaseModel model = shop();
  model.create("shop.log", 'L', R"({"capped":true,"size":100000000})");
  model.create("shop.still", 'M', R"({"capped":true,"size":100000000})");
  model.create("shop.system.views", 'V');
  model.create("shop.old", 'O');
  fill(model, "shop.old", 100);
  for (std::int64_t id = 100; id > 0; --id) {
    model.insert("shop.log", DatabaseModel::document(id, 1, pad));
    model.insert("shop.still", DatabaseModel::document(id, 1, pad));
  }
  SyntheticWorld world;
  world.import_base(model);
  model.insert("shop.log", DatabaseModel::document(1000, 1, pad));
  model.create_view("shop.cheap", "orders");
  model.create("shop.new", 'N');
  fill(model, "shop.new", 60);
  model.rename("shop.orders", "shop.archive");
  model.rename("shop.new", "shop.old");
  model.create_index("shop.archive", "v");
  model.create("other.empty", 'E');
  model.in_transaction([&] {
    model.update("shop.archive", 100, 5);
    model.remove("shop.old", 10);
  });
  world.record(model);
  const auto result = world.synthetic();
  REQUIRE(result.snapshot);
  const auto& still = find(result, "shop.still");
  CHECK(still.chunk_kept_count == still.chunk_count);
  CHECK(find(result, "shop.log").chunk_kept_count == 0);
  CHECK(find(result, "shop.archive").chunk_new_count == 1);
  world.compare_with_real(model, *result.snapshot);
}

TEST_CASE("a synthetic base is the ground of the next one") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  for (std::int64_t round = 0; round < 3; ++round) {
    model.remove("shop.orders", 100 + round * 1000);
    model.insert("shop.orders", DatabaseModel::document(5 + round * 1500, 1, pad));
    world.record(model);
    const auto result = world.synthetic();
    REQUIRE(result.snapshot);
    CHECK(result.chunk_read_count <= 4);
    world.compare_with_real(model, *result.snapshot);
    world.forget_last();
  }
}

TEST_CASE("a base that would rewrite much for little is put off, until enough has been recorded") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  const auto first = world.import_base(model);
  world.options.rewrite = {.may_put_off = true, .always_bytes = 2 << 20};
  model.update("shop.orders", 2000, 7);
  world.record(model);
  const auto small = world.synthetic();
  REQUIRE(small.snapshot);
  CHECK_FALSE(small.deferred);
  for (std::int64_t id = 0; id < 4000; id += 200) model.update("shop.orders", id, 1);
  world.record(model);
  const auto spread = world.synthetic();
  REQUIRE(spread.deferred);
  CHECK_FALSE(spread.snapshot);
  CHECK(spread.previous == *small.snapshot);
  CHECK(spread.previous != first);
  CHECK(spread.at == oplog::Timestamp{model.now(), 1});
  CHECK(spread.deferred->recorded.entries == 20);
  CHECK(spread.deferred->rewrite_bytes > world.options.rewrite.always_bytes);
  CHECK(spread.chunk_read_count == 0);

  world.options.rewrite.may_put_off = false;
  model.noop();
  world.record(model);
  const auto wanted = world.synthetic();
  REQUIRE(wanted.snapshot);
  CHECK(wanted.previous == *small.snapshot);
  world.compare_with_real(model, *wanted.snapshot);
}

TEST_CASE("an old base is not put off") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  world.options.rewrite = {.may_put_off = true, .always_bytes = 1};
  model.update("shop.orders", 2000, 7);
  world.record(model);
  CHECK(world.synthetic().deferred);
  world.clock().advance(world.options.rewrite.base_age_max);
  const auto result = world.synthetic();
  REQUIRE(result.snapshot);
  world.compare_with_real(model, *result.snapshot);
}

TEST_CASE("a transaction whose outcome is not recorded moves the moment before it") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 10, 1);
  const auto certain = model.now();
  const std::string operation =
      test::inner("d", "shop.orders", 'A', R"("o":{"_id":{"$numberLong":"20"}})");
  model.entries.push_back(test::piece({certain + 1}, 'P', 1, 0,
                                      R"({"applyOps":[)" + operation + R"(],"prepare":true})"));
  model.noop();
  world.record(model);
  const auto result = world.synthetic();
  REQUIRE(result.snapshot);
  CHECK(result.at == oplog::Timestamp{certain, 1});
  CHECK(find(result, "shop.orders").count == 400);
}

TEST_CASE("a gap behind the base is refused with its two ends") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  for (int count = 0; count < 10; ++count) model.noop();
  DatabaseModel later = model;
  later.entries.erase(later.entries.begin(), later.entries.end() - 3);
  world.record(later);
  const auto result = world.try_synthetic();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::history_lost);
  CHECK(result.error().message.find("a full backup from the server is needed") !=
        std::string::npos);
}

TEST_CASE("a history that does not fit the base is refused") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.entries.push_back(
      test::remove(model.now() + 1, "shop.orders", 'A', "{\"$numberLong\":\"3\"}"));
  world.record(model);
  const auto result = world.try_synthetic();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::anomaly);
  CHECK(result.error().message.find("full backup") != std::string::npos);
}

TEST_CASE("a chunk index that does not add up to the manifest is noticed") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  const auto id = world.import_base(model);
  auto repository = world.memory.open_indexed();
  const auto stored = repository.load_snapshot(id).value();
  const auto base = catalog::StoredBase::open(repository, stored).value();
  auto writer = repo::Writer::make(repository).value();
  repo::SnapshotFiles files(repository, stored.snapshot.tree);
  RangeChoice samples(world.memory.rng, 0);
  dataset::StoredCollection collection = base->manifest().collections.front();
  const auto take_over = [&]() -> Result<void> {
    CollectionRewrite rewrite(writer, chunk_seed_of(repository), collection.facts, samples);
    std::uint64_t read_count = 0;
    auto reader = TRY(RewriteReader::open(repository, files, collection, rewrite, read_count));
    reader->unchanged_below(std::nullopt);
    const auto document = TRY(reader->next());
    CHECK_FALSE(document.has_value());
    CHECK(read_count == 0);
    CHECK(reader->left_out_count() == 400);
    return {};
  };
  CHECK(take_over().has_value());
  ++collection.count;
  CHECK(take_over().error().code == ErrorCode::corrupt);
}

TEST_CASE("without a base that tells its time there is nothing to go on from") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.record(model);
  const auto result = world.try_synthetic();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::no_point);
}

// A server that has what the model has, or something else.
class ModelServer final : public LiveDocuments {
 public:
  explicit ModelServer(const DatabaseModel& model) : model_(model) {}

  Result<std::vector<Content>> contents(const std::vector<const RecordedRange*>& ranges) override {
    ++questions;
    if (clock != nullptr) clock->advance(question_time);
    std::vector<Content> contents;
    for (const RecordedRange* range : ranges) {
      const RangeKeys keys = keys_of(*range);
      bson::ContentDigest digest;
      for (const auto& [key, document] : model_.collections.at(range->ns).documents) {
        if (keys.holds(key)) digest.add(document);
      }
      contents.push_back({digest.count(), digest.digest()});
    }
    return contents;
  }
  Result<std::uint64_t> count(const RecordedRange& range) override {
    return model_.collections.at(range.ns).documents.size();
  }
  Result<void> entries(oplog::Timestamp from, const TakeEntry& take) override {
    for (std::size_t at = from.seconds - 1; at < model_.entries.size(); ++at) {
      const Wish wish = TRY(take(model_.entries[at]));
      if (wish == Wish::enough) break;
    }
    return {};
  }

  int questions = 0;
  SimClock* clock = nullptr;
  std::chrono::milliseconds question_time{200};

 private:
  const DatabaseModel& model_;
};

TEST_CASE("a server that has the same passes, and what it changed later does not count") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 1000, 3);
  world.record(model);
  ModelServer server(model);
  world.options.live = &server;
  world.options.sample_count = 4;
  SUBCASE("nothing later") {
    const auto result = world.synthetic();
    REQUIRE(result.check);
    CHECK(result.check->equal_count == 5);
    CHECK(server.questions == 2);
    CHECK(result.snapshot);
  }
  SUBCASE("everything later") {
    for (std::int64_t id = 0; id < 400; ++id) model.update("shop.orders", id * 10, 9);
    const auto result = world.synthetic();
    CHECK(result.check->equal_count == 1);  // the count
    CHECK(result.check->undecided_count == 4);
    CHECK(result.snapshot);
  }
}

TEST_CASE(
    "a server that has something else keeps the base from being published, and the next is real") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 1000, 3);
  world.record(model);
  DatabaseModel other = model;
  for (auto& [key, document] : other.collections.at("shop.orders").documents)
    document = test::json(DatabaseModel::document(1, 77, pad));
  ModelServer server(other);
  world.options.live = &server;
  world.options.sample_count = 3;
  const auto result = world.synthetic();
  CHECK_FALSE(result.snapshot);
  REQUIRE(result.check);
  REQUIRE(result.check->differences.size() == 3);
  CHECK(result.check->differences.front().find("shop.orders, _id ") == 0);
  const auto decision = world.decide();
  CHECK(decision.kind == FullKind::real);
  CHECK(decision.reason.find("comparison with the server") != std::string::npos);

  world.clock().advance(std::chrono::hours(1));
  world.import_base(model);
  model.noop();
  world.record(model);
  CHECK(world.decide().kind == FullKind::synthetic);
}

TEST_CASE("a server that answers slowly is asked for less") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 1000, 3);
  world.record(model);
  ModelServer server(model);
  server.clock = &world.clock();
  world.options.live = &server;
  world.options.sample_count = 6;
  const auto result = world.synthetic();
  CHECK(result.check->equal_count == 4);  // one, two more, and the count
  CHECK(result.check->left_out_count == 3);
  CHECK(result.check->notes.size() == 1);
  CHECK(result.snapshot);
}

TEST_CASE("a server that does not show the moment decides nothing") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model);
  model.update("shop.orders", 1000, 3);
  world.record(model);
  DatabaseModel behind = model;
  behind.entries.pop_back();
  behind.collections.at("shop.orders").documents.clear();
  ModelServer server(behind);
  world.options.live = &server;
  const auto result = world.synthetic();
  CHECK(result.snapshot);
  CHECK(result.check->equal_count == 0);
  CHECK(result.check->notes.size() == 1);
}

TEST_CASE("views that the base does not know how to follow need a full backup") {
  DatabaseModel model = shop();
  SyntheticWorld world;
  world.import_base(model, SyntheticWorld::Layout::mongodump);
  model.create("shop.system.views", 'V');
  model.create_view("shop.cheap", "orders");
  world.record(model);
  const auto result = world.try_synthetic();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::unsupported);
  CHECK(result.error().message.find("shop.system.views") != std::string::npos);
}

}  // namespace
}  // namespace holdfast::backup
