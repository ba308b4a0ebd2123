#include <doctest/doctest.h>

#include "doubles/recording_log.hpp"
#include "store/faulty_store.hpp"
#include "store/memory_store.hpp"
#include "store/metered_store.hpp"
#include "store/retrying_store.hpp"
#include "store/throttled_store.hpp"

namespace holdfast::store {
namespace {

struct World {
  SimClock clock{WallTime(std::chrono::hours(400'000))};
  SeededRng rng{3};
  test::RecordingLog log;
  std::stop_source stop;
  Context context{clock, rng, log, stop.get_token()};

  std::unique_ptr<FaultyStore> faulty(FaultScript script = {}, std::uint64_t seed = 1) {
    return std::make_unique<FaultyStore>(std::make_unique<MemoryStore>(clock), clock, seed,
                                         std::move(script));
  }
};

constexpr auto now = Durability::immediate;

std::size_t count_listed(Store& store) {
  std::size_t count = 0;
  CHECK(store
            .list("",
                  [&](const ObjectInfo&) -> Result<void> {
                    ++count;
                    return {};
                  })
            .has_value());
  return count;
}

TEST_CASE("a retrying store repeats what may pass, says so, and pauses longer each time") {
  World world;
  auto inner = world.faulty({.transient_at_calls = {1, 2, 3}});
  const FaultyStore& faulty = *inner;
  RetryingStore store(std::move(inner), world.context);
  CHECK(store.put("a", as_bytes("x"), now).has_value());
  CHECK(faulty.calls() == 4);
  CHECK(world.log.mentions("put a failed, attempt 3 of 6"));
  const auto slept = world.clock.monotonic();
  CHECK(slept >= std::chrono::milliseconds(100 + 200 + 400));
  CHECK(slept <= std::chrono::milliseconds(200 + 400 + 800));
}

TEST_CASE("a retrying store gives up after a bounded number of attempts") {
  World world;
  auto inner = world.faulty({.transient_percent = 100});
  const FaultyStore& faulty = *inner;
  RetryingStore store(std::move(inner), world.context);
  CHECK(store.get("a").error().code == ErrorCode::store_unreachable);
  CHECK(faulty.calls() == 6);
  CHECK(world.clock.monotonic() < std::chrono::seconds(30));
}

TEST_CASE("a retrying store does not repeat what can not pass, nor after Ctrl-C") {
  World world;
  auto inner = world.faulty({.fail_at_calls = {{1, ErrorCode::store_full}, {2, ErrorCode::io}}});
  const FaultyStore& faulty = *inner;
  RetryingStore store(std::move(inner), world.context);
  CHECK(store.put("a", as_bytes("x"), now).error().code == ErrorCode::store_full);
  CHECK(faulty.calls() == 1);
  world.stop.request_stop();
  CHECK(store.sync().error().code == ErrorCode::io);
  CHECK(faulty.calls() == 2);
}

// Answers that the put failed although it happened, the first time.
class LossyAnswers final : public Store {
 public:
  explicit LossyAnswers(Clock& clock) : inner_(clock) {}
  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition) override {
    auto result = inner_.put(name, bytes, durability, condition);
    if (!lost_ && result.has_value()) {
      lost_ = true;
      return fail(ErrorCode::store_unreachable, "the answer was lost");
    }
    return result;
  }
  Result<Bytes> get(std::string_view name) override { return inner_.get(name); }
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override {
    return inner_.get_range(name, offset, length);
  }
  Result<ObjectInfo> stat(std::string_view name) override { return inner_.stat(name); }
  Result<void> list(std::string_view prefix, const Visitor& visit) override {
    return inner_.list(prefix, visit);
  }
  Result<void> remove(std::string_view name) override { return inner_.remove(name); }
  Result<void> sync() override { return inner_.sync(); }
  std::string describe() const override { return "lossy"; }

 private:
  MemoryStore inner_;
  bool lost_ = false;
};

TEST_CASE("a conditional put whose answer was lost counts as won") {
  World world;
  RetryingStore store(std::make_unique<LossyAnswers>(world.clock), world.context);
  CHECK(store.put("lease", as_bytes("mine"), now, Condition::if_absent()).has_value());
  CHECK(store.put("lease", as_bytes("other"), now, Condition::if_absent()).error().code ==
        ErrorCode::exists);
}

TEST_CASE("a throttled store takes as long as its rate says, after a burst of one second") {
  World world;
  auto memory = std::make_unique<MemoryStore>(world.clock);
  ThrottledStore store(std::move(memory), world.clock, {1000, 500});
  world.clock.advance(std::chrono::seconds(10));
  const Bytes kilobyte(1000, 1);
  const auto start = world.clock.monotonic();
  for (int i = 0; i < 5; ++i) REQUIRE(store.put("a", kilobyte, now).has_value());
  CHECK(world.clock.monotonic() - start == std::chrono::seconds(4));
  REQUIRE(store.get("a").has_value());
  CHECK(world.clock.monotonic() - start == std::chrono::seconds(5));
}

TEST_CASE("a metered store counts calls, failures and bytes of each kind") {
  World world;
  MeteredStore store(world.faulty({.fail_at_calls = {{2, ErrorCode::io}}}));
  CHECK(store.put("a", as_bytes("12345"), now).has_value());
  CHECK(!store.get("a").has_value());
  CHECK(store.get("a").has_value());
  CHECK(store.get_range("a", 1, 2).has_value());
  CHECK(count_listed(store) == 1);
  const StoreMeter meter = store.meter();
  CHECK(meter.calls() == 5);
  CHECK(meter.bytes_sent() == 5);
  CHECK(meter.bytes_received() == 7);
  CHECK(meter.of(StoreCall::get).failures == 1);
  CHECK(meter.of(StoreCall::list).calls == 1);
}

TEST_CASE("after its crash a faulty store fails every call until it is reopened") {
  World world;
  auto store = world.faulty({.crash_at_call = 2});
  REQUIRE(store->put("a", as_bytes("1"), now).has_value());
  CHECK(!store->put("b", as_bytes("2"), now).has_value());
  CHECK(store->crashed());
  const auto refused = store->get("a");
  REQUIRE(!refused.has_value());
  CHECK(retry_class_of(refused.error().code) == RetryClass::never);
  REQUIRE(store->reopen().has_value());
  CHECK(store->get("a").has_value());
}

TEST_CASE("at a crash unsynced objects are lost, there, or torn; synced ones are whole") {
  World world;
  bool lost = false, whole = false, torn = false, removal_undone = false, removal_kept = false;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    auto store = world.faulty({.crash_at_call = 6, .torn = Torn::yes}, seed);
    REQUIRE(store->put("synced", as_bytes("synced"), Durability::at_sync).has_value());
    REQUIRE(store->put("gone", as_bytes("gone"), Durability::at_sync).has_value());
    REQUIRE(store->sync().has_value());
    REQUIRE(store->put("loose", as_bytes("loose"), Durability::at_sync).has_value());
    CHECK_MESSAGE(store->inner().get("loose").error().code == ErrorCode::not_found, "invisible");
    REQUIRE(store->remove("gone").has_value());
    CHECK(!store->get("synced").has_value());
    REQUIRE(store->reopen().has_value());
    CHECK(as_text(store->get("synced").value()) == "synced");
    (store->get("gone").has_value() ? removal_undone : removal_kept) = true;
    const auto loose = store->get("loose");
    if (!loose.has_value())
      lost = true;
    else
      (loose->size() == 5 ? whole : torn) = true;
  }
  CHECK(lost);
  CHECK(whole);
  CHECK(torn);
  CHECK(removal_undone);
  CHECK(removal_kept);
}

TEST_CASE("a stale listing hides new objects and shows removed ones, for so many calls") {
  World world;
  auto store = world.faulty({.stale_list_calls = 2});
  REQUIRE(store->put("a", as_bytes("1"), now).has_value());
  CHECK(count_listed(*store) == 0);
  CHECK(count_listed(*store) == 0);
  CHECK(count_listed(*store) == 1);
  REQUIRE(store->remove("a").has_value());
  CHECK(count_listed(*store) == 1);
  CHECK(store->get("a").error().code == ErrorCode::not_found);
  CHECK(count_listed(*store) == 0);
}

TEST_CASE("a listing may also be stale for a span of time, which the store admits") {
  World world;
  auto store = world.faulty({.listing_lag = std::chrono::seconds(5)});
  CHECK(store->listing_lag() == std::chrono::seconds(5));
  REQUIRE(store->put("a", as_bytes("1"), now).has_value());
  CHECK(count_listed(*store) == 0);
  world.clock.advance(std::chrono::seconds(5));
  CHECK(count_listed(*store) == 1);
}

TEST_CASE("a bad disk flips exactly one bit of what is read") {
  World world;
  auto store = world.faulty({.flip_percent = 100});
  REQUIRE(store->put("a", Bytes(64, 0), now).has_value());
  const auto bytes = store->get("a").value();
  int set = 0;
  for (const auto byte : bytes) set += __builtin_popcount(byte);
  CHECK(set == 1);
}

}  // namespace
}  // namespace holdfast::store
