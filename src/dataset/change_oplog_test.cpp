#include "dataset/change_oplog.hpp"

#include <doctest/doctest.h>

#include "dataset/oplog_tail.hpp"
#include "doubles/oplog_story.hpp"
#include "doubles/recording_log.hpp"

namespace holdfast::dataset {
namespace {

// Events in memory, and how far the server says it has come.
class ScriptedFeed final : public ChangeFeed {
 public:
  struct Script {
    std::vector<Bytes> events;
    oplog::Timestamp oldest;    // what it still has
    oplog::Timestamp position;  // of the end
    bool fails_once = false;
  };
  explicit ScriptedFeed(Script& script) : script_(script) {}

  Result<void> open(oplog::Timestamp from) override {
    if (from < script_.oldest) return fail(ErrorCode::history_lost, "scripted");
    from_ = from;
    return {};
  }
  Result<ChangeBatch> next(std::chrono::milliseconds) override {
    if (std::exchange(script_.fails_once, false))
      return fail(ErrorCode::server_unreachable, "scripted");
    ChangeBatch batch;
    for (const Bytes& event : script_.events) {
      const auto at = bson::Document::trusted(event).find("clusterTime")->as_timestamp();
      if (at >= from_) batch.events.push_back(event);
    }
    from_ = {script_.position.seconds, script_.position.ordinal};
    batch.position = script_.position;
    return batch;
  }
  Result<oplog::Timestamp> newest() override { return script_.position; }
  Result<OplogFacts> facts() override { return OplogFacts{"rs0", "scripted:1", "6.0.0", {}}; }

 private:
  Script& script_;
  oplog::Timestamp from_;
};

class Nothing final : public CapturedHistory {
 public:
  std::size_t piece_count() const override { return 0; }
  SeenEntry last_of(std::size_t) const override { return {}; }
  Result<std::vector<SeenEntry>> entries_of(std::size_t) override {
    return std::vector<SeenEntry>();
  }
};

Bytes insert_at(std::uint32_t second, int id) {
  return test::json(R"({"operationType":"insert","clusterTime":{"$timestamp":{"t":)" +
                    std::to_string(second) + R"(,"i":1}},"collectionUUID":)" +
                    test::uuid_json('A') + R"(,"ns":{"db":"a","coll":"b"},"fullDocument":{"_id":)" +
                    std::to_string(id) + "}}");
}

struct Scene {
  SimClock clock{WallTime(std::chrono::seconds(1'764'000'000))};
  SeededRng rng{1};
  test::RecordingLog log;
  std::stop_source stop;
  Context context{clock, rng, log, stop.get_token()};
  ScriptedFeed::Script script;
  ChangeOplog oplog{std::make_unique<ScriptedFeed>(script)};
  Nothing nothing;

  Scene() { script.oldest = {1, 1}; }

  // The entries until nothing more comes; anything else goes to `other`.
  std::vector<Bytes> read(OplogTail& tail, std::optional<TailEvent>* other = nullptr) {
    std::vector<Bytes> entries;
    while (true) {
      auto event = tail.next();
      REQUIRE_MESSAGE(event.has_value(), describe(event.error()));
      if (const auto* entry = std::get_if<TailEntry>(&*event)) {
        entries.push_back(to_bytes(entry->bytes));
      } else if (!std::holds_alternative<TailAway>(*event) &&
                 !std::holds_alternative<TailReconnected>(*event)) {
        if (other != nullptr) *other = *event;
        return entries;
      }
    }
  }
};

std::vector<oplog::Timestamp> times(const std::vector<Bytes>& entries) {
  std::vector<oplog::Timestamp> found;
  for (const Bytes& entry : entries) found.push_back(oplog::optime_of(entry)->ts);
  return found;
}

}  // namespace

TEST_CASE("A change stream begins with its start, then moments, then how far it is complete") {
  Scene scene;
  scene.script.events = {insert_at(10, 1), insert_at(10, 2), insert_at(12, 3)};
  scene.script.position = {15, 0};
  OplogTail tail(scene.oplog, scene.nothing, scene.context, oplog::Timestamp{8, 1});
  CHECK(times(scene.read(tail)) ==
        std::vector<oplog::Timestamp>{{8, 1}, {10, 1}, {12, 1}, {14, 0xFFFFFFFF}});
}

TEST_CASE("A moment that may not be complete yet is kept back") {
  Scene scene;
  scene.script.events = {insert_at(10, 1)};
  scene.script.position = {10, 1};
  OplogTail tail(scene.oplog, scene.nothing, scene.context, oplog::Timestamp{8, 1});
  CHECK(times(scene.read(tail)) == std::vector<oplog::Timestamp>{{8, 1}});
}

TEST_CASE("A change stream goes on behind an event and behind a no-op") {
  Scene scene;
  scene.script.events = {insert_at(10, 1), insert_at(10, 2)};
  for (const oplog::Timestamp position : {oplog::Timestamp{10, 2}, oplog::Timestamp{14, 1}}) {
    scene.script.position = position;
    OplogTail tail(scene.oplog, scene.nothing, scene.context, oplog::Timestamp{8, 1});
    const auto before = scene.read(tail);
    const SeenEntry last = seen_entry_of(before.back()).value();
    scene.script.events.push_back(insert_at(20, 3));
    scene.script.position = {20, 2};
    OplogTail next(scene.oplog, scene.nothing, scene.context, last);
    CHECK(times(scene.read(next)) == std::vector<oplog::Timestamp>{{20, 1}});
    scene.script.events.pop_back();
  }
}

TEST_CASE("A cut connection of a change stream loses and doubles nothing") {
  Scene scene;
  scene.script.events = {insert_at(10, 1)};
  scene.script.position = {11, 1};
  OplogTail tail(scene.oplog, scene.nothing, scene.context, oplog::Timestamp{8, 1});
  auto all = scene.read(tail);
  scene.script.fails_once = true;
  scene.script.events.push_back(insert_at(12, 2));
  scene.script.position = {12, 2};
  for (const Bytes& entry : scene.read(tail)) all.push_back(entry);
  CHECK(times(all) == std::vector<oplog::Timestamp>{{8, 1}, {10, 1}, {11, 0}, {12, 1}});
}

TEST_CASE("A start that the server has lost is a gap") {
  Scene scene;
  scene.script.oldest = {30, 1};
  scene.script.position = {40, 1};
  const SeenEntry last = seen_entry_of(oplog::change_noop({20, 1})).value();
  OplogTail tail(scene.oplog, scene.nothing, scene.context, last);
  std::optional<TailEvent> event;
  CHECK(scene.read(tail, &event).empty());
  REQUIRE(std::holds_alternative<TailGap>(*event));
  CHECK(std::get<TailGap>(*event).to == oplog::Timestamp{40, 1});
}

}  // namespace holdfast::dataset
