#include "backup/partial_base.hpp"

#include <doctest/doctest.h>

#include "backup/live_plan.hpp"
#include "bson/ext_json.hpp"
#include "dataset/mongo_sorter.hpp"
#include "doubles/memory_repository.hpp"

namespace holdfast::backup {
namespace {

constexpr std::uint64_t seed = 42;

Bytes with_id(int id) {
  return bson::parse_ext_json("{\"_id\":" + std::to_string(id) + "}").value();
}

dataset::MongoCollection orders() {
  dataset::MongoCollection collection;
  collection.db = "shop";
  collection.name = "orders";
  collection.uuid = oplog::Uuid::parse("00112233445566778899aabbccddeeff").value();
  return collection;
}

struct World {
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  repo::Writer writer = repo::Writer::make(repository).value();
  catalog::DatasetLabel label{"shop", {}, {}, memory.clock.now()};

  // Stores the documents with these numbers; the entries of the chunk index.
  Bytes store(int first, int last) {
    Bytes entries;
    ChunkWriter chunks(writer, seed, [&](ByteView entry) -> Result<void> {
      append(entries, entry);
      return {};
    });
    for (int id = first; id < last; ++id) {
      const Bytes document = with_id(id);
      Bytes key;
      dataset::id_key_of(bson::Document::trusted(document), key);
      REQUIRE(chunks.add(document, key).has_value());
    }
    REQUIRE(chunks.finish().has_value());
    return entries;
  }

  // Of the stretches below 10, 10 to 20, from 20 on and the rest, the first and third are stored.
  PartialBase half_done() {
    CollectionCopy copy;
    copy.facts = orders();
    copy.set_bounds({with_id(10), with_id(20)});
    copy.stored[0].entries = store(0, 10);
    copy.stored[0].is_done = true;
    copy.stored[2].entries = store(20, 30);
    copy.stored[2].is_done = true;
    PartialBase partial;
    partial.server = "rs0";
    partial.started = memory.clock.now();
    partial.window_first = oplog::Timestamp{100, 1};
    partial.collections.push_back(std::move(copy));
    return partial;
  }

  std::optional<PartialBase> load() {
    auto reopened = memory.open();
    const auto snapshots = reopened.snapshots().value();
    REQUIRE(reopened.load_index().has_value());
    auto other = repo::Writer::make(reopened).value();
    return load_partial(reopened, snapshots, "shop", other).value();
  }
};

}  // namespace

TEST_CASE("what an unfinished copy has stored is found again by the next run") {
  World world;
  auto partial = world.half_done();
  REQUIRE(publish_partial(world.repository, world.writer, world.label, partial).has_value());
  const auto found = world.load();
  REQUIRE(found.has_value());
  CHECK(found->server == "rs0");
  CHECK(found->window_first == oplog::Timestamp{100, 1});
  CHECK(found->snapshots == partial.snapshots);
  REQUIRE(found->collections.size() == 1);
  const CollectionCopy& copy = found->collections[0];
  CHECK(copy.facts.uuid == orders().uuid);
  CHECK(copy.bounds == std::vector<Bytes>{with_id(10), with_id(20)});
  REQUIRE(copy.stored.size() == 4);
  CHECK(copy.stored[0].is_done);
  CHECK(copy.stored[0].is_resumed);
  CHECK(copy.stored[0].entries == partial.collections[0].stored[0].entries);
  CHECK_FALSE(copy.stored[1].is_done);
  CHECK(copy.stored[2].is_done);
  CHECK_FALSE(copy.is_done());
}

TEST_CASE("each note of what is stored replaces the one before, and the last one can be removed") {
  World world;
  auto partial = world.half_done();
  REQUIRE(publish_partial(world.repository, world.writer, world.label, partial).has_value());
  partial.collections[0].stored[1].entries = world.store(10, 20);
  partial.collections[0].stored[1].is_done = true;
  REQUIRE(publish_partial(world.repository, world.writer, world.label, partial).has_value());
  CHECK(world.memory.names("snapshots/").size() == 1);
  CHECK(world.load()->collections[0].stored[1].is_done);
  REQUIRE(remove_partial(world.repository, partial).has_value());
  CHECK(world.memory.names("snapshots/").empty());
  CHECK_FALSE(world.load().has_value());
}

TEST_CASE("an unfinished copy is no point in time") {
  World world;
  auto partial = world.half_done();
  REQUIRE(publish_partial(world.repository, world.writer, world.label, partial).has_value());
  CHECK(world.repository.find_snapshot("latest").error().code == ErrorCode::not_found);
}

TEST_CASE("stretches make the collection in order, the rest before and behind them") {
  World world;
  auto copy = world.half_done().collections[0];
  copy.stored[1].entries = world.store(10, 20);
  copy.stored[3].entries = world.store(-5, 0);
  copy.stored[3].entries_behind = world.store(30, 33);
  CollectionContent content(world.writer, seed);
  REQUIRE(collect_chunks(copy, content).has_value());
  catalog::DatabaseTree tree(repo::make_node_time(world.label.start));
  dataset::StoredCollection stored;
  stored.facts = copy.facts;
  content.add_to(tree, stored);
  bson::ContentDigest expected;
  for (int id = -5; id < 33; ++id) expected.add(with_id(id));
  CHECK(stored.count == 38);
  CHECK(stored.bytes == expected.bytes());
  CHECK(stored.digest == expected.digest());
  CHECK(stored.chunk_count == 5);
}

TEST_CASE("a copy of ranges, of one stretch and a sorted one know when they are done") {
  CollectionCopy copy;
  copy.set_bounds({with_id(1)});
  CHECK(copy.stored.size() == 3);
  copy.set_sorted();
  CHECK(copy.stored.size() == 1);
  CHECK(copy.way == CopyWay::sorted);
  CHECK_FALSE(copy.is_done());
  copy.stored[0].is_done = true;
  CHECK(copy.is_done());
  CHECK_FALSE(copy.is_exact());
}

}  // namespace holdfast::backup
