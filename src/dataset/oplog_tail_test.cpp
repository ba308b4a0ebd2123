#include "dataset/oplog_tail.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"
#include "doubles/recording_log.hpp"
#include "doubles/scripted_oplog.hpp"

namespace holdfast::dataset {
namespace {

using test::noop;
using test::ScriptedOplog;

SeenEntry seen(const Bytes& entry) {
  return seen_entry_of(entry).value();
}

// What the test says was captured, in pieces of three entries.
class Captured final : public CapturedHistory {
 public:
  std::vector<Bytes> entries;

  std::size_t piece_count() const override { return (entries.size() + 2) / 3; }
  SeenEntry last_of(std::size_t piece) const override {
    return seen(entries[std::min(entries.size(), (piece + 1) * 3) - 1]);
  }
  Result<std::vector<SeenEntry>> entries_of(std::size_t piece) override {
    std::vector<SeenEntry> found;
    for (std::size_t at = piece * 3; at < std::min(entries.size(), (piece + 1) * 3); ++at)
      found.push_back(seen(entries[at]));
    return found;
  }
};

struct Scene {
  SimClock clock{WallTime(std::chrono::seconds(1'764'000'000))};
  SeededRng rng{1};
  test::RecordingLog log;
  std::stop_source stop;
  Context context{clock, rng, log, stop.get_token()};
  ScriptedOplog oplog{clock};
  Captured captured;

  // No-ops of these seconds, in this term, on the server.
  void serve(std::uint32_t first, std::uint32_t last, std::int64_t term = 1) {
    for (std::uint32_t second = first; second <= last; ++second)
      oplog.entries.push_back(entry(second, term));
  }
  void capture(std::uint32_t first, std::uint32_t last, std::int64_t term = 1) {
    for (std::uint32_t second = first; second <= last; ++second)
      captured.entries.push_back(entry(second, term));
  }
  static Bytes entry(std::uint32_t second, std::int64_t term) {
    return test::entry({second, 1, term}, "n", "", 0, R"("o":{"msg":"periodic noop"})");
  }
  OplogTail tail() {
    return OplogTail(oplog, captured, context, seen(captured.entries.back()), {});
  }
};

// Seconds of entries until something else comes, which goes to `other`.
std::vector<std::uint32_t> read_entries(OplogTail& tail, TailEvent& other) {
  std::vector<std::uint32_t> seconds;
  while (true) {
    auto event = tail.next();
    REQUIRE_MESSAGE(event.has_value(), describe(event.error()));
    if (const auto* entry = std::get_if<TailEntry>(&*event)) {
      seconds.push_back(entry->time.ts.seconds);
      continue;
    }
    if (std::holds_alternative<TailAway>(*event)) continue;
    other = *event;
    return seconds;
  }
}

using Seconds = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("A tail begins behind the last captured entry and tells when nothing is new") {
  Scene scene;
  scene.serve(10, 15);
  scene.capture(10, 12);
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event) == Seconds{13, 14, 15});
  CHECK(std::holds_alternative<TailIdle>(event));
  CHECK(tail.last() == seen(noop(15)));
  CHECK(tail.counts().entries == 3);
  scene.serve(16, 16);
  CHECK(read_entries(tail, event) == Seconds{16});
}

TEST_CASE("A tail of nothing captured begins with the entry at its start") {
  Scene scene;
  scene.serve(10, 12);
  OplogTail tail(scene.oplog, scene.captured, scene.context, oplog::Timestamp{11, 1});
  TailEvent event;
  CHECK(read_entries(tail, event) == Seconds{11, 12});
}

TEST_CASE("A start that is rolled over already is a gap") {
  Scene scene;
  scene.serve(10, 12);
  OplogTail tail(scene.oplog, scene.captured, scene.context, oplog::Timestamp{9, 1});
  TailEvent event;
  CHECK(read_entries(tail, event).empty());
  REQUIRE(std::holds_alternative<TailGap>(event));
  CHECK(std::get<TailGap>(event).last.is_null());
}

TEST_CASE("A lost connection or cursor is taken up again without missing an entry") {
  Scene scene;
  scene.serve(10, 13);
  scene.capture(10, 10);
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event) == Seconds{11, 12, 13});
  scene.oplog.failures = {ErrorCode::server_unreachable};
  scene.oplog.open_failures = {ErrorCode::server_unreachable, ErrorCode::server_unreachable};
  scene.serve(14, 14);
  CHECK(read_entries(tail, event).empty());
  CHECK(std::holds_alternative<TailReconnected>(event));
  CHECK(read_entries(tail, event) == Seconds{14});
  CHECK(tail.counts().reconnects == 3);
}

TEST_CASE("A server that stays away is given up after a named number of tries") {
  Scene scene;
  scene.serve(10, 10);
  scene.capture(10, 10);
  scene.oplog.open_failures.assign(1000, ErrorCode::server_unreachable);
  auto tail = scene.tail();
  Result<TailEvent> event = tail.next();
  while (event.has_value()) {
    CHECK(std::holds_alternative<TailAway>(*event));
    event = tail.next();
  }
  CHECK(event.error().code == ErrorCode::server_unreachable);
  CHECK(scene.oplog.open_count == TailOptions{}.failures_max + 1);
}

TEST_CASE("What waiting does not heal is told at once") {
  Scene scene;
  scene.serve(10, 10);
  scene.capture(10, 10);
  scene.oplog.open_failures = {ErrorCode::denied};
  auto tail = scene.tail();
  const auto event = tail.next();
  REQUIRE_FALSE(event.has_value());
  CHECK(event.error().code == ErrorCode::denied);
  CHECK(scene.oplog.open_count == 1);
}

TEST_CASE("An oplog that begins behind our end is a gap with its interval") {
  Scene scene;
  scene.capture(10, 12);
  scene.serve(20, 25);
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event).empty());
  REQUIRE(std::holds_alternative<TailGap>(event));
  CHECK(std::get<TailGap>(event).last.ts == oplog::Timestamp{12, 1});
  CHECK(std::get<TailGap>(event).to == oplog::Timestamp{20, 1});
  CHECK_FALSE(std::get<TailGap>(event).is_rolled_back);
}

TEST_CASE("An oplog whose beginning passes us right after the first check is a gap") {
  Scene scene;
  scene.capture(10, 12);
  scene.serve(12, 15);
  // The first entry is read, then the oldest; in between two entries are truncated.
  class Truncating final : public OplogSource {
   public:
    explicit Truncating(ScriptedOplog& inner) : inner_(inner) {}
    Result<void> open(oplog::Timestamp from, MemberChoice choice) override {
      return inner_.open(from, choice);
    }
    Result<std::optional<ByteView>> next(std::chrono::milliseconds wait) override {
      return inner_.next(wait);
    }
    Result<std::optional<SeenEntry>> oldest() override {
      inner_.entries.erase(inner_.entries.begin(), inner_.entries.begin() + 2);
      return inner_.oldest();
    }
    Result<std::optional<SeenEntry>> newest() override { return inner_.newest(); }
    Result<std::optional<SeenEntry>> find(oplog::Timestamp at) override { return inner_.find(at); }
    Result<oplog::Timestamp> start_for_base() override { return inner_.start_for_base(); }
    Result<OplogFacts> facts() override { return inner_.facts(); }

   private:
    ScriptedOplog& inner_;
  };
  Truncating truncating(scene.oplog);
  OplogTail passed(truncating, scene.captured, scene.context, seen(noop(12)), {});
  TailEvent event;
  CHECK(read_entries(passed, event).empty());
  REQUIRE(std::holds_alternative<TailGap>(event));
  CHECK(std::get<TailGap>(event).to == oplog::Timestamp{14, 1});
}

TEST_CASE("A rolled-back end is told with the common point, and reading goes on behind it") {
  for (std::uint32_t common = 10; common < 30; ++common) {
    CAPTURE(common);
    Scene scene;
    scene.capture(10, 30);
    scene.serve(5, common);
    scene.serve(common + 2, 33, 2);
    auto tail = scene.tail();
    TailEvent event;
    CHECK(read_entries(tail, event).empty());
    REQUIRE(std::holds_alternative<TailDiverged>(event));
    CHECK(std::get<TailDiverged>(event).common.time.ts == oplog::Timestamp{common, 1});
    CHECK(std::get<TailDiverged>(event).until.ts == oplog::Timestamp{30, 1});
    CHECK(scene.oplog.find_count <= 6);
    const auto seconds = read_entries(tail, event);
    CHECK(seconds.size() == 32 - common);
    CHECK(seconds.front() == common + 2);
  }
}

TEST_CASE("Other bytes at the timestamp of our last entry are a rollback") {
  Scene scene;
  scene.capture(10, 12);
  scene.serve(10, 11);
  scene.oplog.entries.push_back(test::insert(12, "a.b", 'A', R"({"_id":1})"));
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event).empty());
  REQUIRE(std::holds_alternative<TailDiverged>(event));
  CHECK(std::get<TailDiverged>(event).common.time.ts == oplog::Timestamp{11, 1});
}

TEST_CASE("A rollback whose common point is no longer on the server is a gap that says so") {
  Scene scene;
  scene.capture(10, 12);
  scene.serve(11, 20, 2);
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event).empty());
  REQUIRE(std::holds_alternative<TailGap>(event));
  CHECK(std::get<TailGap>(event).is_rolled_back);
}

TEST_CASE("A member that is behind us is left for another one") {
  Scene scene;
  scene.capture(10, 15);
  scene.serve(10, 14);
  for (std::uint32_t second = 10; second <= 17; ++second)
    scene.oplog.entries_of_other_member.push_back(noop(second));
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event) == Seconds{16, 17});
}

TEST_CASE(
    "A member that is behind us in our own term is waited for, and never taken for a rollback") {
  Scene scene;
  scene.capture(10, 15);
  scene.serve(10, 14);
  scene.oplog.before_read = [&](ScriptedOplog& oplog) {
    const bool is_late = scene.clock.monotonic() > std::chrono::minutes(10);
    if (is_late && oplog.entries.size() == 5) scene.serve(15, 16);
  };
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event) == Seconds{16});
}

TEST_CASE("A member that is behind us in a later term was rolled back, after a while") {
  Scene scene;
  scene.capture(10, 15);
  scene.serve(10, 12);
  scene.serve(13, 14, 2);
  auto tail = scene.tail();
  TailEvent event;
  CHECK(read_entries(tail, event).empty());
  REQUIRE(std::holds_alternative<TailDiverged>(event));
  CHECK(std::get<TailDiverged>(event).common.time.ts == oplog::Timestamp{12, 1});
  CHECK(scene.clock.monotonic() >= TailOptions{}.behind_max);
}

TEST_CASE("Entries out of order start a new read, and are an error when that does not help") {
  Scene scene;
  scene.capture(10, 10);
  scene.serve(10, 12, 2);
  scene.captured.entries = {Scene::entry(10, 2)};
  scene.oplog.entries.push_back(Scene::entry(13, 1));
  auto tail = scene.tail();
  Result<TailEvent> event = tail.next();
  int events = 0;
  while (event.has_value() && ++events < 50) event = tail.next();
  REQUIRE_FALSE(event.has_value());
  CHECK(event.error().code == ErrorCode::malformed);
  CHECK(tail.last()->time.ts == oplog::Timestamp{12, 1});
}

TEST_CASE("A tail stops when the context says so, also while it waits") {
  Scene scene;
  scene.capture(10, 10);
  scene.oplog.open_failures.assign(1000, ErrorCode::server_unreachable);
  scene.oplog.before_read = [&](ScriptedOplog&) { scene.stop.request_stop(); };
  scene.oplog.open_failures.resize(3);
  scene.serve(10, 10);
  auto tail = scene.tail();
  Result<TailEvent> event = tail.next();
  while (event.has_value()) event = tail.next();
  CHECK(event.error().code == ErrorCode::interrupted);
}

}  // namespace holdfast::dataset
