// A stream that dies at any store call, while it publishes, rolls up or puts rolled-back history
// aside: what is recorded can be read at once, and the next run has every entry, none twice, none
// that is false.
#include "doubles/stream_world.hpp"

using namespace holdfast;
using holdfast::test::MemoryRepository;
using holdfast::test::StreamWorld;

namespace {

constexpr std::uint64_t calls_max = 2000;

struct Scenario {
  std::function<void(StreamWorld&)> prepare;  // ends with what the dying run will find
  StreamWorld::Change options = {};
};

bool is_beginning(const std::vector<Bytes>& part, const std::vector<Bytes>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// Returns how many calls the run takes.
std::uint64_t crash_everywhere(const Scenario& scenario, store::Torn torn, std::uint64_t seed,
                               bool is_growing) {
  bool finished = false;
  std::uint64_t call = 0;
  while (!finished) {
    ++call;
    CAPTURE(call);
    StreamWorld world(seed + call);
    scenario.prepare(world);
    store::FaultScript script;
    script.crash_at_call = call;
    script.torn = torn;
    REQUIRE(world.memory.store.reopen(script).has_value());
    const auto crashed = world.run(scenario.options);
    finished = crashed.has_value() && !world.memory.store.crashed();
    REQUIRE(world.memory.store.reopen().has_value());
    const auto found = world.recorded();
    if (is_growing) CHECK(is_beginning(found, world.oplog.entries));

    const auto next = world.run(scenario.options);
    REQUIRE_MESSAGE(next.has_value(), MemoryRepository::describe_failure(next));
    CHECK(world.recorded() == world.oplog.entries);
    REQUIRE(world.windows().size() == 1);
    CHECK(world.windows()[0].to == test::ScriptedOplog::time_of(world.oplog.entries.back()));
    REQUIRE(call < calls_max);
  }
  return call;
}

void run_ok(StreamWorld& world, const StreamWorld::Change& change = {}) {
  const auto result = world.run(change);
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
}

Scenario publishing() {
  return {[](StreamWorld& world) {
            world.serve(10, 10);
            run_ok(world);
            world.serve(11, 20);
          },
          [](backup::StreamOptions& options) { options.segment_bytes_max = 300; }};
}

Scenario rolling_up() {
  return {[](StreamWorld& world) {
            world.serve(10, 10);
            run_ok(world);
            world.serve(11, 17);
            run_ok(world, [](backup::StreamOptions& options) { options.segment_bytes_max = 100; });
            world.serve(18, 19);
          },
          [](backup::StreamOptions& options) {
            options.segment_bytes_max = 100;
            options.roll_up_count = 4;
          }};
}

// Three segments of which two and a half were rolled back, and a base in the false part.
Scenario diverging() {
  return {[](StreamWorld& world) {
    world.serve(10, 10);
    run_ok(world);
    for (std::uint32_t second = 11; second <= 19; second += 3) {
      world.serve(second, second + 2);
      run_ok(world);
    }
    auto repository = world.memory.open();
    REQUIRE(world.take_base(repository).has_value());
    world.oplog.entries.resize(3);
    world.serve(13, 22, 2);
  }};
}

}  // namespace

TEST_CASE("a stream that dies at any store call of a publication loses and doubles nothing") {
  CHECK(crash_everywhere(publishing(), store::Torn::no, 100, true) > 20);
  CHECK(crash_everywhere(publishing(), store::Torn::yes, 200, true) > 20);
}

TEST_CASE("a stream that dies at any store call of a roll-up loses and doubles nothing") {
  CHECK(crash_everywhere(rolling_up(), store::Torn::no, 300, true) > 20);
  CHECK(crash_everywhere(rolling_up(), store::Torn::yes, 400, true) > 20);
}

TEST_CASE("what a roll-up that died has left over is cleaned up by the next one") {
  std::size_t leftovers = 0;
  for (std::uint64_t call = 1; call < calls_max; ++call) {
    CAPTURE(call);
    StreamWorld world(call);
    rolling_up().prepare(world);
    store::FaultScript script;
    script.counted = store::StoreCall::remove;
    script.crash_at_call = call;
    REQUIRE(world.memory.store.reopen(script).has_value());
    const auto crashed = world.run(rolling_up().options);
    const bool finished = crashed.has_value();
    REQUIRE(world.memory.store.reopen().has_value());
    leftovers += world.count_of(dataset::segments_tag) > 5 ? 1 : 0;
    world.serve(23, 30);
    run_ok(world, rolling_up().options);
    CHECK(world.count_of(dataset::segments_tag) <= 5);
    CHECK(world.recorded() == world.oplog.entries);
    if (finished) break;
  }
  CHECK(leftovers > 0);
}

TEST_CASE("a stream that dies while it puts rolled-back history aside never uses any of that") {
  CHECK(crash_everywhere(diverging(), store::Torn::no, 500, false) > 20);
  CHECK(crash_everywhere(diverging(), store::Torn::yes, 600, false) > 20);
}

TEST_CASE("after a death in a divergence the false entries are still there to look at") {
  for (std::uint64_t call = 1; call < calls_max; ++call) {
    CAPTURE(call);
    StreamWorld world(call);
    diverging().prepare(world);
    store::FaultScript script;
    script.counted = store::StoreCall::remove;
    script.crash_at_call = call;
    REQUIRE(world.memory.store.reopen(script).has_value());
    const bool finished = world.run().has_value();
    REQUIRE(world.memory.store.reopen().has_value());
    run_ok(world);
    CHECK(world.count_of(dataset::diverged_tag) >= 1);
    CHECK(world.count_of(dataset::diverged_base_tag) >= 1);
    CHECK(world.count_of(dataset::base_tag) == 1);
    CHECK(world.recorded() == world.oplog.entries);
    if (finished) break;
  }
}
