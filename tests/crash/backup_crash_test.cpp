// A backup that dies at any store call: the repository opens, what was published is complete, and
// the next run succeeds without help.
#include <fmt/format.h>

#include <map>

#include "doubles/memory_repository.hpp"
#include "repo/blob_reader.hpp"
#include "repo/layout.hpp"
#include "repo/sha256.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::MemoryRepository;

namespace {

// Enough blobs for several packs and index files.
constexpr std::uint64_t blobs_a_run = 60;

Bytes content(std::uint64_t number) {
  SeededRng rng(number);
  Bytes bytes(500 + number % 700);
  rng.fill(bytes);
  return bytes;
}

Node file_node(std::uint64_t number) {
  Node node;
  node.name = fmt::format("file{:06}", number);
  node.content = {BlobId{sha256(content(number))}};
  return node;
}

// Blobs first .. first + blobs_a_run in one directory; published as one snapshot.
Result<SnapshotId> back_up(MemoryRepository& world, std::uint64_t first) {
  auto repository = TRY(Repository::open(world.context, world.store, world.password));
  TRY(repository.load_index());
  WriterOptions options;
  options.data_pack_bytes = 10'000;
  options.tree_pack_bytes = 10'000;
  auto writer = TRY(Writer::make(repository, options));
  std::vector<Node> nodes;
  for (auto number = first; number < first + blobs_a_run; ++number) {
    TRY(writer.save(BlobType::data, content(number)));
    nodes.push_back(file_node(number));
    world.clock.advance(std::chrono::seconds(10));  // so that there are checkpoints
  }
  const auto tree = TRY(writer.save(BlobType::tree, encode_tree(nodes)));
  Snapshot snapshot;
  snapshot.time = make_node_time(world.clock.now());
  snapshot.tree = tree.id;
  snapshot.paths = {"/srv"};
  return writer.publish_snapshot(snapshot);
}

// Reads everything below every snapshot; how many snapshots there are.
std::size_t check_snapshots(MemoryRepository& world) {
  auto repository = world.open();
  const auto listing = repository.list_snapshots().value();
  CHECK(listing.unreadable.empty());
  const auto loaded = repository.load_index();
  REQUIRE_MESSAGE(loaded.has_value(), MemoryRepository::describe_failure(loaded));
  BlobReader reader(repository);
  for (const auto& stored : listing.snapshots) {
    const auto nodes = repository.load_tree(stored.snapshot.tree);
    REQUIRE_MESSAGE(nodes.has_value(), MemoryRepository::describe_failure(nodes));
    CHECK(nodes->size() == blobs_a_run);
    for (const auto& node : *nodes) {
      const auto plain = reader.load({BlobType::data, node.content.at(0)});
      REQUIRE_MESSAGE(plain.has_value(), MemoryRepository::describe_failure(plain));
    }
  }
  return listing.snapshots.size();
}

// Every index entry must be in a pack that exists: invariant 2 of A13.
void check_index(MemoryRepository& world) {
  auto repository = world.open_indexed();
  const auto& index = repository.index();
  BlobReader reader(repository);
  for (std::uint64_t at = 0; at < index.loaded_count(); ++at) {
    const auto plain = reader.load(index.at(at).handle);
    REQUIRE_MESSAGE(plain.has_value(), MemoryRepository::describe_failure(plain));
  }
}

void crash_everywhere(store::Torn torn, std::uint64_t seed) {
  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    CAPTURE(call);
    MemoryRepository world(seed + call);
    const auto first = back_up(world, 0);
    REQUIRE_MESSAGE(first.has_value(), MemoryRepository::describe_failure(first));

    store::FaultScript script;
    script.crash_at_call = call;
    script.torn = torn;
    REQUIRE(world.store.reopen(script).has_value());
    const auto crashed = back_up(world, 40);  // a third of it is known already
    finished = crashed.has_value() && !world.store.crashed();
    REQUIRE(world.store.reopen().has_value());

    const auto published = check_snapshots(world);
    CHECK(published >= 1);
    if (crashed.has_value()) CHECK(published == 2);
    check_index(world);
    const auto next = back_up(world, 40);
    REQUIRE_MESSAGE(next.has_value(), MemoryRepository::describe_failure(next));
    CHECK(check_snapshots(world) == published + 1);
    REQUIRE(call < 500);
  }
}

}  // namespace

TEST_CASE("a backup that dies at any store call hurts nothing") {
  crash_everywhere(store::Torn::no, 100);
}

TEST_CASE("a backup that dies at any store call, with torn unsynced objects, hurts nothing") {
  crash_everywhere(store::Torn::yes, 9000);
}

TEST_CASE("a backup whose puts fail one after the other says so and hurts nothing") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    MemoryRepository world(call);
    store::FaultScript script;
    script.counted = store::StoreCall::put;
    script.fail_at_calls = {{call, ErrorCode::store_full}};
    REQUIRE(world.store.reopen(script).has_value());
    const auto failed = back_up(world, 0);
    const bool was_hit = world.store.calls() >= call;
    REQUIRE(world.store.reopen().has_value());
    if (!was_hit) {
      CHECK(failed.has_value());
      break;
    }
    REQUIRE(!failed.has_value());
    CHECK(failed.error().code == ErrorCode::store_full);
    CHECK(check_snapshots(world) == 0);
    check_index(world);
    REQUIRE(back_up(world, 0).has_value());
    CHECK(check_snapshots(world) == 1);
  }
}

TEST_CASE("an init that dies at any store call is completed by the next one") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    SimClock clock{WallTime(std::chrono::seconds(1'764'000'000))};
    SeededRng rng(call);
    test::RecordingLog log;
    Context context{clock, rng, log, {}};
    store::FaultScript script;
    script.crash_at_call = call;
    store::FaultyStore store(std::make_unique<store::MemoryStore>(clock), clock, call, script);
    const Secret password(as_bytes("test"));
    const InitOptions options{{}, test::test_scrypt_cost};
    const auto first = Repository::init(context, store, password, options);
    const bool done = first.has_value() && !store.crashed();
    REQUIRE(store.reopen().has_value());
    auto opened = Repository::open(context, store, password);
    if (!opened.has_value()) {
      CHECK(opened.error().code == ErrorCode::no_repository);
      const auto again = Repository::init(context, store, password, options);
      REQUIRE_MESSAGE(again.has_value(), MemoryRepository::describe_failure(again));
      opened = Repository::open(context, store, password);
    }
    REQUIRE(opened.has_value());
    CHECK(list_keys(store).value().size() == 1);
    if (done) break;
  }
}

TEST_CASE("stale listings of others' work cost time only") {
  for (std::uint64_t stale = 1; stale <= 40; stale += 3) {
    CAPTURE(stale);
    MemoryRepository world(stale);
    REQUIRE(back_up(world, 0).has_value());
    store::FaultScript script;
    script.stale_list_calls = stale;
    REQUIRE(world.store.reopen(script).has_value());
    const auto second = back_up(world, 30);
    REQUIRE_MESSAGE(second.has_value(), MemoryRepository::describe_failure(second));
    REQUIRE(world.store.reopen().has_value());
    CHECK(check_snapshots(world) == 2);
    check_index(world);
  }
}
