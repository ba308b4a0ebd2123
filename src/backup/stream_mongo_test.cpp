#include "backup/stream_mongo.hpp"

#include <doctest/doctest.h>

#include "doubles/stream_world.hpp"

namespace holdfast::backup {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::MemoryRepository;
using test::ScriptedOplog;
using test::StreamWorld;

std::vector<Bytes> tail_of(const std::vector<Bytes>& entries, std::size_t from) {
  return {entries.begin() + static_cast<std::ptrdiff_t>(from), entries.end()};
}

// The server writes one entry a second of the clock, from `first` on.
void write_every_second(StreamWorld& world, std::uint32_t first) {
  const auto began = world.memory.clock.monotonic();
  world.oplog.before_read = [&world, began, next = first](ScriptedOplog& oplog) mutable {
    const auto passed = world.memory.clock.monotonic() - began;
    for (; seconds(next) <= passed + seconds(10); ++next)
      oplog.entries.push_back(StreamWorld::entry_of(next));
  };
}

}  // namespace

TEST_CASE("A stream of a new dataset begins a chain, takes a base and records every entry") {
  StreamWorld world;
  world.serve(5, 10);
  write_every_second(world, 11);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.requests.size() == 1);
  CHECK(world.requests[0].reason == BaseReason::none_yet);
  CHECK(world.recorded() == tail_of(world.oplog.entries, 5));
  REQUIRE(world.windows().size() == 1);
  CHECK(world.windows()[0].to == ScriptedOplog::time_of(world.oplog.entries.back()));
  CHECK(result->status.publication_count >= 6);
  CHECK(result->status.exposure_max <= seconds(13));
  CHECK(result->status.entry_count == world.oplog.entries.size() - 5);
}

TEST_CASE("A stream goes on exactly where the last one stopped") {
  StreamWorld world;
  world.serve(10, 15);
  REQUIRE(world.run().has_value());
  for (std::uint32_t run = 0; run < 5; ++run) {
    world.serve(20 + 10 * run, 23 + 10 * run, 1 + run);
    const auto result = world.run();
    REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
    CHECK(result->status.entry_count == 4);
  }
  CHECK(world.requests.size() == 1);
  CHECK(world.recorded() == tail_of(world.oplog.entries, 5));
}

TEST_CASE("A stream that finds nothing new publishes nothing") {
  StreamWorld world;
  world.serve(10, 15);
  REQUIRE(world.run().has_value());
  const auto before = world.memory.names("snapshots/").size();
  const auto result = world.run();
  REQUIRE(result.has_value());
  CHECK(result->status.publication_count == 0);
  CHECK(world.memory.names("snapshots/").size() == before);
}

TEST_CASE("A segment is cut at its size, and holds what was open before it") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  for (std::uint32_t second = 11; second <= 60; ++second)
    world.oplog.entries.push_back(StreamWorld::entry_of(second, 1, 1000));
  const auto result = world.run([](StreamOptions& options) { options.segment_bytes_max = 4000; });
  REQUIRE(result.has_value());
  CHECK(result->status.publication_count == 17);
  CHECK(world.recorded() == world.oplog.entries);
}

TEST_CASE("A transaction that is open at the end of a run is still known by the next") {
  StreamWorld world;
  world.serve(10, 10);
  world.oplog.entries.push_back(test::piece(11, 'S', 1, 0, R"({"applyOps":[],"partialTxn":true})"));
  REQUIRE(world.run().has_value());
  world.serve(12, 13);
  REQUIRE(world.run().has_value());
  world.serve(14, 14);
  REQUIRE(world.run().has_value());
  auto repository = world.memory.open_indexed();
  StreamChain chain(repository, "shop");
  REQUIRE(chain.reload().has_value());
  CHECK(chain.segments().back().oldest_open == oplog::Timestamp{11, 1});
}

TEST_CASE("A rolled-over oplog is a named gap with a new base, and the old window stays") {
  StreamWorld world;
  world.serve(10, 15);
  REQUIRE(world.run().has_value());
  const auto before = world.recorded();
  world.oplog.entries.clear();
  world.serve(30, 35);
  write_every_second(world, 36);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(result->status.gap_count == 1);
  REQUIRE(world.requests.size() == 2);
  CHECK(world.requests[1].reason == BaseReason::gap);
  CHECK(world.requests[1].lost_after.ts == oplog::Timestamp{15, 1});
  CHECK(world.requests[1].lost_until == oplog::Timestamp{35, 1});
  REQUIRE(result->notes.size() == 1);
  CHECK(result->notes[0].find("between 15,1 and 35,1 is lost") != std::string::npos);
  auto expected = before;
  expected.emplace_back();
  for (const auto& entry : tail_of(world.oplog.entries, 5)) expected.push_back(entry);
  CHECK(world.recorded() == expected);
  CHECK(world.windows().size() == 2);
}

TEST_CASE("What can not be replayed ends the window before it, is kept, and gets a new base") {
  StreamWorld world;
  world.serve(10, 15);
  REQUIRE(world.run().has_value());
  const auto before = world.recorded();
  world.oplog.entries.push_back(test::command(16, "shop", 'A', R"({"frobnicate":"orders"})"));
  world.serve(17, 20);
  write_every_second(world, 21);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(result->status.refused_count == 1);
  CHECK(result->status.gap_count == 0);
  REQUIRE(result->notes.size() == 1);
  CHECK(result->notes[0].find("moments from 16,1 on") != std::string::npos);
  CHECK(result->notes[0].find("frobnicate") != std::string::npos);
  REQUIRE(world.requests.size() == 2);
  CHECK(world.requests[1].reason == BaseReason::not_understood);
  const auto windows = world.windows();
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].to == oplog::Timestamp{15, 1});
  CHECK(windows[1].from > oplog::Timestamp{16, 1});
  auto kept = before;
  kept.emplace_back();
  for (std::size_t at = 6; at < world.oplog.entries.size(); ++at)
    kept.push_back(world.oplog.entries[at]);
  CHECK(world.recorded() == kept);
  SUBCASE("once") {
    REQUIRE(world.run().has_value());
    CHECK(world.requests.size() == 2);
  }
}

TEST_CASE("A gap before a base that is there already begins a chain at that base") {
  StreamWorld world;
  world.serve(10, 15);
  REQUIRE(world.run().has_value());
  world.oplog.entries.clear();
  world.serve(30, 35);
  auto repository = world.memory.open();
  REQUIRE(world.take_base(repository).has_value());
  world.serve(36, 40);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.requests.size() == 1);
  REQUIRE(result->notes.size() == 1);
  CHECK(result->notes[0].find("between 15,1 and 35,1 is lost") != std::string::npos);
  CHECK(world.windows().size() == 2);
}

TEST_CASE("Rolled-back history is put aside with its bases, and the true one is recorded") {
  for (std::uint32_t common = 11; common < 20; ++common) {
    CAPTURE(common);
    StreamWorld world;
    world.serve(10, 10);
    REQUIRE(world.run().has_value());
    for (std::uint32_t second = 11; second <= 20; second += 3) {  // segments of three entries
      world.serve(second, std::min(second + 2, std::uint32_t{20}));
      REQUIRE(world.run().has_value());
    }
    auto repository = world.memory.open();
    REQUIRE(world.take_base(repository).has_value());
    world.oplog.entries.resize(common - 9);
    world.serve(common + 1, 25, 2);
    const auto result = world.run();
    REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
    CHECK(result->status.divergence_count == 1);
    CHECK(world.recorded() == world.oplog.entries);
    CHECK(world.count_of(dataset::diverged_tag) == 1);
    CHECK(world.count_of(dataset::diverged_base_tag) == 1);
    CHECK(world.count_of(dataset::base_tag) == 1);
    CHECK(world.requests.size() == 1);  // the first base is still good
    CHECK(world.memory.log.mentions("was rolled back"));
    REQUIRE(world.windows().size() == 1);
    CHECK(world.windows()[0].to == oplog::Timestamp{25, 1});
  }
}

TEST_CASE("A rollback of what is not published yet changes no snapshot") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 14);
  int reads = 0;
  world.oplog.before_read = [&](ScriptedOplog& oplog) {
    if (++reads != 5) return;
    oplog.entries.resize(3);
    world.serve(13, 16, 2);
    oplog.failures = {ErrorCode::server_unreachable};
  };
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(result->status.divergence_count == 1);
  CHECK(world.recorded() == world.oplog.entries);
  CHECK(world.count_of(dataset::diverged_tag) == 0);
}

TEST_CASE("When the only base is rolled back a new one is taken") {
  StreamWorld world;
  world.serve(5, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 15);
  REQUIRE(world.run().has_value());
  // The base was made at 10; what came after 8 is rolled back, but nothing of that is recorded.
  auto repository = world.memory.open();
  world.oplog.entries.resize(6);
  world.serve(12, 20, 2);
  const auto again = world.run();
  REQUIRE_MESSAGE(again.has_value(), MemoryRepository::describe_failure(again));
  CHECK(world.requests.size() == 1);
  world.oplog.entries.resize(5);  // now the base's own entry is gone
  world.serve(21, 30, 3);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.requests.size() == 2);
  CHECK(world.windows().size() == 1);
}

TEST_CASE("While the server is away, what was captured is published all the same") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 12);
  int reads = 0;
  world.oplog.before_read = [&](ScriptedOplog& oplog) {
    if (++reads == 4) oplog.open_failures.assign(1000, ErrorCode::server_unreachable);
    if (reads == 4) oplog.failures = {ErrorCode::server_unreachable};
  };
  std::uint64_t published_while_away = 0;
  const auto result = world.run([&](StreamOptions& options) {
    options.for_seconds.reset();
    options.tail.failures_max = 10;
    options.on_status = [&](const StreamStatus& status) {
      if (world.oplog.open_count > 3) published_while_away = status.publication_count;
    };
  });
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::server_unreachable);
  CHECK(published_while_away == 1);
  CHECK(world.recorded() == world.oplog.entries);
}

TEST_CASE("A stop publishes the last segment, although the context says stop") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 14);
  int reads = 0;
  world.oplog.before_read = [&](ScriptedOplog&) {
    if (++reads == 5) world.memory.stop.request_stop();
  };
  const auto result = world.run([](StreamOptions& options) { options.for_seconds.reset(); });
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.recorded() == world.oplog.entries);
}

TEST_CASE("A store that fails for a while costs warnings, one that stays away is an error") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 14);
  store::FaultScript script;
  script.counted = store::StoreCall::put;
  script.fail_at_calls = {{1, ErrorCode::store_full}, {2, ErrorCode::store_unreachable}};
  REQUIRE(world.memory.store.reopen(script).has_value());
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.memory.log.mentions("is tried again"));
  CHECK(world.recorded() == world.oplog.entries);

  world.serve(15, 18);
  script.fail_at_calls.clear();
  for (std::uint64_t call = 1; call < 100; ++call)
    script.fail_at_calls[call] = ErrorCode::store_full;
  REQUIRE(world.memory.store.reopen(script).has_value());
  const auto lost = world.run();
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().code == ErrorCode::store_full);
  REQUIRE(world.memory.store.reopen().has_value());
  REQUIRE(world.run().has_value());
  CHECK(world.recorded() == world.oplog.entries);
}

TEST_CASE("Nothing more is read while the store does not take what was read") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  for (std::uint32_t second = 11; second <= 100; ++second)
    world.oplog.entries.push_back(StreamWorld::entry_of(second, 1, 1000));
  store::FaultScript script;
  script.counted = store::StoreCall::put;
  for (std::uint64_t call = 1; call < 100; ++call)
    script.fail_at_calls[call] = ErrorCode::store_unreachable;
  REQUIRE(world.memory.store.reopen(script).has_value());
  int reads = 0;
  world.oplog.before_read = [&](ScriptedOplog&) { ++reads; };
  const auto lost = world.run([](StreamOptions& options) { options.segment_bytes_max = 4000; });
  REQUIRE_FALSE(lost.has_value());
  CHECK(reads <= 6);
}

TEST_CASE("A base that can not be taken does not end the capture, and is tried again") {
  StreamWorld world;
  world.serve(10, 10);
  write_every_second(world, 11);
  int refusals = 0;
  world.before_base = [&]() -> Result<void> {
    if (++refusals < 3) return fail(ErrorCode::server_failed, "no base today");
    return {};
  };
  const auto result = world.run([](StreamOptions& options) { options.for_seconds = seconds(200); });
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(world.requests.size() == 3);
  CHECK(result->status.base_count == 1);
  CHECK(world.recorded() == world.oplog.entries);
  CHECK(world.windows().size() == 1);
}

TEST_CASE("A user who may not take a base is told so at once") {
  StreamWorld world;
  world.serve(10, 12);
  world.before_base = []() -> Result<void> { return fail(ErrorCode::denied, "not allowed"); };
  const auto result = world.run();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::denied);
}

TEST_CASE("An oplog that is overwritten faster than bases are taken is given up") {
  StreamWorld world;
  world.serve(10, 12);
  world.before_base = [&]() -> Result<void> {
    const std::uint32_t next = ScriptedOplog::time_of(world.oplog.entries.back()).seconds + 100;
    world.oplog.entries.clear();
    world.serve(next, next + 2);
    return {};
  };
  world.oplog.before_read = [&](ScriptedOplog& oplog) {
    const std::uint32_t next = ScriptedOplog::time_of(oplog.entries.back()).seconds + 100;
    oplog.entries.clear();
    world.serve(next, next + 2);
  };
  const auto result = world.run([](StreamOptions& options) { options.for_seconds.reset(); });
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::history_lost);
}

TEST_CASE("Small companions are rolled up, and nothing changes but their number") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 200);
  const auto result = world.run([](StreamOptions& options) {
    options.segment_bytes_max = 100;
    options.roll_up_count = 8;
  });
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(result->status.roll_up_count > 10);
  CHECK(world.count_of(dataset::segments_tag) <= 9);
  CHECK(world.recorded() == world.oplog.entries);
  CHECK(world.windows().size() == 1);
}

TEST_CASE("Companions that are left over from before are rolled up at the start") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  world.serve(11, 60);
  REQUIRE(world.run([](StreamOptions& options) { options.segment_bytes_max = 100; }).has_value());
  CHECK(world.count_of(dataset::segments_tag) > 50);
  REQUIRE(world.run([](StreamOptions& options) { options.roll_up_count = 8; }).has_value());
  CHECK(world.count_of(dataset::segments_tag) <= 9);
  CHECK(world.recorded() == world.oplog.entries);
}

TEST_CASE("Segments that two captures published at the same time are read once, and compared") {
  StreamWorld world;
  world.serve(10, 10);
  REQUIRE(world.run().has_value());
  auto repository = world.memory.open_indexed();
  const auto publish = [&](std::uint32_t first, std::uint32_t last, std::int64_t term) {
    StreamPublisher publisher(repository, {"shop", {}, {}, {}}, {}, {});
    const auto published = publisher.publish(
        dataset::segments_tag, [&](SegmentSnapshot& to, repo::Writer&) -> Result<void> {
          oplog::SegmentScan scan;
          Bytes bytes;
          for (std::uint32_t second = first; second <= last; ++second) {
            const Bytes entry = StreamWorld::entry_of(second, second > 13 ? term : 1);
            TRY(scan.add(entry));
            append(bytes, entry);
          }
          return to.add(scan.finish(), bytes);
        });
    REQUIRE(published.has_value());
  };
  publish(10, 15, 1);
  publish(12, 18, 1);
  world.serve(11, 22);
  const auto result = world.run();
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  CHECK(result->status.entry_count == 4);
  CHECK(world.recorded() == world.oplog.entries);

  publish(13, 30, 2);
  auto fresh = world.memory.open_indexed();
  const auto snapshots = fresh.snapshots().value();
  auto points = catalog::MongoPoints::load(fresh, snapshots, "shop");
  if (!points.has_value()) {
    CHECK(points.error().code == ErrorCode::conflict);
    return;
  }
  catalog::SegmentEntries entries(*points, points->timeline().chains().back(), 0);
  auto entry = entries.next();
  while (entry.has_value() && *entry) entry = entries.next();
  REQUIRE_FALSE(entry.has_value());
  CHECK(entry.error().code == ErrorCode::conflict);
}

TEST_CASE("An oplog that is about to be overwritten is warned of") {
  StreamWorld world;
  world.serve(10, 1000);
  REQUIRE(world.run().has_value());
  CHECK_FALSE(world.memory.log.mentions("reaches back only"));
  const auto result = world.run([&](StreamOptions& options) {
    options.on_status = [&](const StreamStatus&) {
      if (world.oplog.entries.size() > 200)
        world.oplog.entries.erase(world.oplog.entries.begin(), world.oplog.entries.begin() + 100);
    };
  });
  REQUIRE(result.has_value());
  CHECK(world.memory.log.mentions("reaches back only"));
}

}  // namespace holdfast::backup
