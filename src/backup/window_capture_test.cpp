#include "backup/window_capture.hpp"

#include <doctest/doctest.h>

#include "base/log.hpp"
#include "base/rng.hpp"
#include "doubles/oplog_story.hpp"
#include "doubles/scratch_directory.hpp"
#include "doubles/scripted_oplog.hpp"

namespace holdfast::backup {
namespace {

struct World {
  SimClock clock{WallTime(std::chrono::seconds(1'764'000'000))};
  SeededRng rng{1};
  NullLog log;
  std::stop_source stop;
  Context context{clock, rng, log, stop.get_token()};
  test::ScratchDirectory scratch;
  test::ScriptedOplog source{clock};
  WindowCapture capture{source, context, scratch.path()};

  World() { add(100, 102); }
  void add(std::uint32_t first, std::uint32_t last) {
    for (std::uint32_t second = first; second <= last; ++second)
      source.entries.push_back(test::noop(second));
  }

  // The seconds of what was captured.
  std::vector<std::uint32_t> seconds(WindowCapture::Part part) {
    auto entries = capture.entries(part).value();
    std::vector<std::uint32_t> out;
    while (const auto entry = entries->next().value())
      out.push_back(bson::Document::trusted(*entry).find("ts")->as_timestamp().seconds);
    return out;
  }
};

using Seconds = std::vector<std::uint32_t>;

oplog::SegmentFacts segment_ending(const Bytes& entry) {
  oplog::SegmentScan scan;
  REQUIRE(scan.add(entry).has_value());
  return scan.finish();
}

}  // namespace

TEST_CASE("a window reaches from the newest entry before a copy to the newest after it") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  world.add(103, 104);
  REQUIRE(world.capture.drain().has_value());
  world.add(105, 106);
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.capture.window().kind == oplog::BaseKind::fuzzy);
  CHECK(world.capture.window().first == oplog::Timestamp{102, 1});
  CHECK(world.capture.window().last == oplog::Timestamp{106, 1});
  CHECK(world.seconds(WindowCapture::Part::all) == Seconds{102, 103, 104, 105, 106});
}

TEST_CASE("a window during which nothing was written is one entry") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.capture.window().first == world.capture.window().last);
  CHECK(world.seconds(WindowCapture::Part::window) == Seconds{102});
}

TEST_CASE("where the server still has it, what came since the recorded end is captured too") {
  World world;
  CaptureStart start;
  start.recorded = segment_ending(world.source.entries[0]);
  REQUIRE(world.capture.start(start).has_value());
  world.add(103, 103);
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.seconds(WindowCapture::Part::all) == Seconds{100, 101, 102, 103});
  CHECK(world.seconds(WindowCapture::Part::window) == Seconds{102, 103});
}

TEST_CASE("a recorded end that is older than the server's oplog leaves a gap and no error") {
  World world;
  CaptureStart start;
  start.recorded = segment_ending(test::noop(50));
  REQUIRE(world.capture.start(start).has_value());
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.seconds(WindowCapture::Part::all) == Seconds{102});
}

TEST_CASE("a recorded end that the server has not is a rollback or another server") {
  World world;
  CaptureStart start;
  start.recorded = segment_ending(test::entry({101, 1}, "n", "", 0, R"("o":{"msg":"other"})"));
  CHECK(world.capture.start(start).error().code == ErrorCode::conflict);
}

TEST_CASE("an unfinished copy is gone on with while the server has the begin of its window") {
  World world;
  CaptureStart start;
  start.resumed_window = oplog::Timestamp{100, 1};
  REQUIRE(world.capture.start(start).has_value());
  CHECK(world.capture.is_resumed());
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.capture.window().first == oplog::Timestamp{100, 1});

  World later;
  start.resumed_window = oplog::Timestamp{99, 1};
  REQUIRE(later.capture.start(start).has_value());
  CHECK_FALSE(later.capture.is_resumed());
  CHECK(later.capture.window().first == oplog::Timestamp{102, 1});
}

TEST_CASE("a cut connection loses nothing") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  world.add(103, 104);
  world.source.failures = {ErrorCode::server_unreachable};
  REQUIRE(world.capture.drain().has_value());
  world.add(105, 105);
  world.source.failures = {ErrorCode::server_unreachable};
  world.source.open_failures = {ErrorCode::server_unreachable};
  REQUIRE(world.capture.finish({}).has_value());
  CHECK(world.seconds(WindowCapture::Part::all) == Seconds{102, 103, 104, 105});
}

TEST_CASE("entries that were overwritten before they were read are a lost history") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  REQUIRE(world.capture.drain().has_value());
  world.add(103, 110);
  world.source.entries.erase(world.source.entries.begin(), world.source.entries.begin() + 5);
  world.source.failures = {ErrorCode::server_unreachable};
  CHECK(world.capture.drain().error().code == ErrorCode::history_lost);
}

TEST_CASE("an entry that another member has shown is waited for, not forever") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  CHECK(world.capture.finish({110, 1}).error().code == ErrorCode::server_failed);
}

TEST_CASE("who wants to stop is heard") {
  World world;
  REQUIRE(world.capture.start({}).has_value());
  world.stop.request_stop();
  CHECK(world.capture.finish({110, 1}).error().code == ErrorCode::interrupted);
}

}  // namespace holdfast::backup
