// Storing blobs: once each, in whole packs, in the order that a crash can not hurt.
#include "repo/writer.hpp"

#include <fmt/format.h>

#include <set>
#include <thread>

#include "base/task_group.hpp"
#include "doubles/memory_repository.hpp"
#include "repo/blob_reader.hpp"
#include "repo/index_recorder.hpp"
#include "repo/layout.hpp"
#include "repo/sealing.hpp"
#include "repo/tree.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::MemoryRepository;

namespace {

Bytes random_bytes(std::uint64_t seed, std::size_t length) {
  SeededRng rng(seed);
  Bytes bytes(length);
  rng.fill(bytes);
  return bytes;
}

ErrorCode code_of(const auto& result) {
  REQUIRE(!result.has_value());
  return result.error().code;
}

WriterOptions small_packs() {
  WriterOptions options;
  options.data_pack_bytes = 64 << 10;
  options.tree_pack_bytes = 16 << 10;
  return options;
}

BlobHandle data_handle(ByteView plain) {
  return {BlobType::data, BlobId{sha256(plain)}};
}

Snapshot snapshot_of(const BlobId& tree) {
  Snapshot snapshot;
  snapshot.time.seconds = 1'764'000'000;
  snapshot.tree = tree;
  snapshot.paths = {"/srv"};
  return snapshot;
}

// Every pack's own header must say what the index says, and every blob must open.
void check_packs(MemoryRepository& world, Repository& repository) {
  REQUIRE(repository.load_index().has_value());
  std::map<PackId, std::size_t> counts;
  const auto& index = repository.index();
  BlobReader reader(repository);
  for (std::uint64_t at = 0; at < index.loaded_count(); ++at) {
    const auto blob = index.at(at);
    ++counts[index.pack(blob.pack).id];
    CHECK(reader.load(blob.handle).has_value());
  }
  for (const auto& name : world.names(packs_prefix)) {
    const PackId id{id_in_name(name).value()};
    const auto header = repository.load_pack_header(id, world.store.stat(name).value().bytes);
    REQUIRE(header.has_value());
    CHECK(header->size() == counts[id]);
    const auto type = header->front().type;
    CHECK(std::all_of(header->begin(), header->end(),
                      [&](const PackedBlob& blob) { return blob.type == type; }));
  }
}

}  // namespace

TEST_CASE("a blob is stored once, whoever saves it again") {
  MemoryRepository world;
  const auto text = as_bytes("a blob that compresses: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  {
    auto repository = world.open_indexed();
    auto writer = Writer::make(repository).value();
    const auto first = writer.save(BlobType::data, text).value();
    CHECK(first.was_new);
    CHECK(first.stored_bytes > seal_overhead_bytes);
    CHECK(first.stored_bytes < text.size() + seal_overhead_bytes);
    const auto again = writer.save(BlobType::data, text).value();
    CHECK(!again.was_new);
    CHECK(again.id == first.id);
    CHECK(again.stored_bytes == 0);
    CHECK_MESSAGE(writer.save(BlobType::tree, text).value().was_new, "another type");
    const auto totals = writer.finish().value();
    CHECK(totals.data_blobs == 1);
    CHECK(totals.tree_blobs == 1);
    CHECK(totals.plain_bytes == 2 * text.size());
    CHECK(totals.packs == 2);
    CHECK(!writer.save(BlobType::data, text).value().was_new);
  }
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository).value();
  CHECK(!writer.save(BlobType::data, text).value().was_new);
  CHECK(writer.finish().value().packs == 0);
  CHECK(repository.load_blob(data_handle(text)).value() == to_bytes(text));
}

TEST_CASE("save_many gives what save gives, also for equal blobs in one call") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  std::vector<Bytes> blobs;
  for (std::uint64_t at = 0; at < 300; ++at) blobs.push_back(random_bytes(at % 200, 1 + at % 200));
  std::vector<ByteView> views(blobs.begin(), blobs.end());
  std::vector<SavedBlob> saved(views.size());
  REQUIRE(writer.save_many(BlobType::data, views, saved).has_value());
  for (std::size_t at = 0; at < blobs.size(); ++at) {
    CHECK(saved[at].id.bytes == sha256(blobs[at]));
    CHECK(saved[at].was_new == (at < 200));
  }
  REQUIRE(writer.finish().has_value());
  check_packs(world, repository);
}

TEST_CASE("empty, tiny and huge blobs are stored; huge ones get packs of their own") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  const std::size_t sizes[] = {0, 1, 31, 65536 - 33, 65536 - 32, 65536 - 31, 300'000};
  for (const auto size : sizes) {
    CAPTURE(size);
    const auto blob = random_bytes(size, size);
    const auto saved = writer.save(BlobType::data, blob).value();
    CHECK(saved.was_new);
    CHECK(saved.stored_bytes == size + seal_overhead_bytes);
  }
  REQUIRE(writer.finish().has_value());
  check_packs(world, repository);
  for (const auto size : sizes) {
    const auto blob = random_bytes(size, size);
    CHECK(repository.load_blob(data_handle(blob)).value() == blob);
  }
}

TEST_CASE("packs are filled up to their limit and leftovers merged") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  for (std::uint64_t at = 0; at < 400; ++at)
    REQUIRE(writer.save(BlobType::data, random_bytes(at, 1000)).has_value());
  REQUIRE(writer.finish().has_value());
  std::size_t small = 0;
  for (const auto& name : world.names(packs_prefix)) {
    const auto bytes = world.store.stat(name).value().bytes;
    CHECK(bytes <= (64 << 10) + 41 * 64 + 36);
    if (bytes < 60'000) ++small;
  }
  CHECK_MESSAGE(small <= 2, "only what was open at the end may be small");

  for (const unsigned at : {1U, 2U})
    REQUIRE(writer.save(BlobType::data, random_bytes(5000 + at, 500)).has_value());
  const auto before = writer.totals().packs;
  CHECK_MESSAGE(writer.finish().value().packs == before + 1, "two small leftovers are one pack");
  check_packs(world, repository);
}

TEST_CASE("trees are always compressed, data only when it pays") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository).value();
  const auto noise = random_bytes(9, 5000);
  REQUIRE(writer.save(BlobType::data, noise).has_value());
  const auto tree = writer.save(BlobType::tree, as_bytes(empty_tree_json)).value();
  CHECK(tree.id.hex() == "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8");
  REQUIRE(writer.finish().has_value());
  const auto& index = repository.index();
  CHECK(index.find_live(data_handle(noise))->blob.plain_length == 0);
  CHECK(index.find_live({BlobType::tree, tree.id})->blob.plain_length == empty_tree_json.size());
  CHECK(repository.load_tree(tree.id).value().empty());
}

TEST_CASE("many threads saving the same blobs store each of them once") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  constexpr std::uint64_t blob_count = 400;
  constexpr int thread_count = 6;
  std::atomic<std::uint64_t> news{0};
  TaskGroup group;
  for (int thread = 0; thread < thread_count; ++thread)
    group.start([&, thread](std::stop_token) -> Result<void> {
      for (std::uint64_t step = 0; step < blob_count; ++step) {
        const auto number = (step * 7 + static_cast<std::uint64_t>(thread) * 31) % blob_count;
        const auto blob = random_bytes(number, 100 + number * 5);
        const auto saved = TRY(writer.save(BlobType::data, blob));
        if (saved.was_new) ++news;
        const bool is_known = TRY(writer.reuse(data_handle(blob)));
        if (!is_known) return fail(ErrorCode::failed, "a saved blob is not known");
      }
      return {};
    });
  const auto joined = group.wait();
  REQUIRE_MESSAGE(joined.has_value(), MemoryRepository::describe_failure(joined));
  CHECK(news == blob_count);
  CHECK(writer.finish().value().data_blobs == blob_count);
  check_packs(world, repository);
  CHECK(repository.index().loaded_count() == blob_count);
  for (std::uint64_t number = 0; number < blob_count; ++number) {
    const auto blob = random_bytes(number, 100 + number * 5);
    CHECK(repository.load_blob(data_handle(blob)).value() == blob);
  }
}

TEST_CASE("a blob goes to one of two open packs by chance") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto options = small_packs();
  auto writer = Writer::make(repository, options).value();
  std::vector<BlobHandle> order;
  for (std::uint64_t at = 0; at < 100; ++at) {
    const auto blob = random_bytes(at, 1000);
    order.push_back(data_handle(blob));
    REQUIRE(writer.save(BlobType::data, blob).has_value());
  }
  REQUIRE(writer.finish().has_value());
  std::size_t changes = 0;
  for (std::size_t at = 1; at < order.size(); ++at)
    if (repository.index().find_live(order[at])->blob.pack !=
        repository.index().find_live(order[at - 1])->blob.pack)
      ++changes;
  CHECK(changes > 20);
}

TEST_CASE("after a failed put nothing more is accepted, and no snapshot is published") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  store::FaultScript script;
  script.counted = store::StoreCall::put;
  script.fail_at_calls = {{1, ErrorCode::store_full}};
  REQUIRE(world.store.reopen(script).has_value());
  std::size_t refused = 0;
  for (std::uint64_t at = 0; at < 200; ++at)
    if (!writer.save(BlobType::data, random_bytes(at, 2000)).has_value()) ++refused;
  CHECK(refused > 100);
  CHECK(code_of(writer.finish()) == ErrorCode::store_full);
  CHECK(code_of(writer.publish_snapshot(snapshot_of({}))) == ErrorCode::store_full);
  CHECK(world.names(snapshots_prefix).empty());
}

TEST_CASE("an interrupted run keeps what it stored for the next") {
  MemoryRepository world;
  {
    auto repository = world.open_indexed();
    auto writer = Writer::make(repository, small_packs()).value();
    for (std::uint64_t at = 0; at < 20; ++at)
      REQUIRE(writer.save(BlobType::data, random_bytes(at, 1000)).has_value());
    world.stop.request_stop();
    CHECK(code_of(writer.save(BlobType::data, random_bytes(99, 10))) == ErrorCode::interrupted);
    REQUIRE(writer.finish().has_value());
  }
  auto repository = world.open_indexed();
  for (std::uint64_t at = 0; at < 20; ++at)
    CHECK(repository.index().contains(data_handle(random_bytes(at, 1000))));
}

TEST_CASE("a killed run's packs are found by the next from the last checkpoint on") {
  MemoryRepository world;
  {
    auto repository = world.open_indexed();
    auto writer = Writer::make(repository, small_packs()).value();
    for (std::uint64_t at = 0; at < 300; ++at) {
      REQUIRE(writer.save(BlobType::data, random_bytes(at, 1000)).has_value());
      world.clock.advance(std::chrono::seconds(1));
    }
    CHECK(world.names(indexes_prefix).size() == 2);  // 300 s, one each two minutes
  }
  REQUIRE(world.store.reopen().has_value());
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository, small_packs()).value();
  std::size_t again = 0;
  for (std::uint64_t at = 0; at < 300; ++at)
    if (writer.save(BlobType::data, random_bytes(at, 1000)).value().was_new) ++again;
  CHECK(again < 200);
  CHECK(again > 20);
  REQUIRE(writer.finish().has_value());
  REQUIRE(repository.load_index().has_value());
  for (std::uint64_t at = 0; at < 300; ++at)
    CHECK(repository.load_blob(data_handle(random_bytes(at, 1000))).has_value());
}

TEST_CASE("an index checkpoint comes after so many blobs") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  IndexRecorder recorder(repository);
  std::vector<PackedBlob> blobs;
  for (std::uint32_t at = 0; at < 10'000; ++at)
    blobs.push_back({BlobId{sha256(as_bytes(std::to_string(at)))}, BlobType::data, at * 40, 40, 0});
  for (std::uint64_t pack = 0; pack < 6; ++pack)
    REQUIRE(recorder.add(PackId{sha256(as_bytes(std::to_string(pack)))}, blobs).has_value());
  CHECK(!recorder.files().empty());
  CHECK(world.names(indexes_prefix).size() == recorder.files().size());
  REQUIRE(recorder.finish().has_value());
  REQUIRE(repository.load_index().has_value());
  CHECK(repository.index().loaded_count() == 60'000);
}

TEST_CASE("a format 1 repository is not written to") {
  MemoryRepository world;
  const auto key = world.open().key();
  auto config = world.open().config();
  config.version = FormatVersion::v1;
  const auto sealed = seal(key.master, world.rng, encode_config(config)).value();
  REQUIRE(world.store.put(config_name, sealed, store::Durability::immediate).has_value());
  auto repository = world.open_indexed();
  CHECK(code_of(Writer::make(repository)) == ErrorCode::unsupported);
}

TEST_CASE("blobs of packs that a prune marked meanwhile are made live before publishing") {
  MemoryRepository world;
  const auto reused = random_bytes(1, 3000);
  const auto unused = random_bytes(2, 3000);
  auto repository = world.open_indexed();
  for (const auto* blob : {&reused, &unused}) {
    auto writer = Writer::make(repository).value();
    REQUIRE(writer.save(BlobType::data, *blob).has_value());
    REQUIRE(writer.finish().has_value());
  }
  auto mine = world.open_indexed();
  auto writer = Writer::make(mine).value();
  CHECK(!writer.save(BlobType::data, reused).value().was_new);
  CHECK(writer.reuse(data_handle(reused)).value());
  CHECK(!writer.reuse(data_handle(random_bytes(3, 10))).value());
  const auto fresh = random_bytes(4, 3000);
  CHECK(writer.save(BlobType::data, fresh).value().was_new);
  REQUIRE(writer.finish().has_value());

  // Somebody marks every pack: one new index file, the old ones go.
  IndexEncoder encoder;
  const auto index_files = list_ids<IndexId>(world.store, indexes_prefix).value();
  for (const auto& id : index_files) {
    const auto json = repository.load_unpacked(id).value();
    REQUIRE(decode_index(json, [&](const IndexedPack& pack) -> Result<void> {
              auto marked = pack;
              marked.state = PackState::marked;
              encoder.add(marked);
              return {};
            }).has_value());
    REQUIRE(world.store.remove(object_name(id)).has_value());
  }
  REQUIRE(repository.save_index(encoder.finish(), store::Durability::immediate).has_value());
  REQUIRE(repository.load_index().has_value());
  REQUIRE(!repository.index().contains(data_handle(reused)));

  const auto tree = writer.save(BlobType::tree, as_bytes(empty_tree_json)).value();
  REQUIRE(writer.publish_snapshot(snapshot_of(tree.id)).has_value());
  REQUIRE(repository.load_index().has_value());
  CHECK(repository.index().contains(data_handle(reused)));
  CHECK(repository.index().contains(data_handle(fresh)));
  CHECK(!repository.index().contains(data_handle(unused)));
  CHECK(world.log.mentions("brought back"));
}

TEST_CASE("a snapshot is not published when a pack it relies on is gone") {
  MemoryRepository world;
  const auto reused = random_bytes(1, 3000);
  auto repository = world.open_indexed();
  auto first = Writer::make(repository).value();
  REQUIRE(first.save(BlobType::data, reused).has_value());
  REQUIRE(first.finish().has_value());

  auto mine = world.open_indexed();
  auto writer = Writer::make(mine).value();
  CHECK(!writer.save(BlobType::data, reused).value().was_new);
  for (const auto prefix : {packs_prefix, indexes_prefix})
    for (const auto& name : world.names(prefix)) REQUIRE(world.store.remove(name).has_value());
  REQUIRE(world.store.sync().has_value());
  CHECK(code_of(writer.publish_snapshot(snapshot_of({}))) == ErrorCode::conflict);
  CHECK(world.names(snapshots_prefix).empty());
}
