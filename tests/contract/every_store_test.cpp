#include "contract/store_contract.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/rng.hpp"
#include "doubles/scratch_directory.hpp"
#include "store/faulty_store.hpp"
#include "store/local_store.hpp"
#include "store/memory_store.hpp"
#include "store/metered_store.hpp"
#include "store/retrying_store.hpp"
#include "store/throttled_store.hpp"

namespace holdfast::test {
namespace {

struct World {
  SimClock clock{WallTime(std::chrono::hours(24 * 365 * 50))};
  SeededRng rng{7};
  NullLog log;
  Context context{clock, rng, log, {}};

  std::unique_ptr<store::Store> memory() { return std::make_unique<store::MemoryStore>(clock); }
  std::unique_ptr<store::FaultyStore> faulty(store::FaultScript script = {}) {
    return std::make_unique<store::FaultyStore>(memory(), clock, 1, std::move(script));
  }
};

}  // namespace

TEST_CASE("the local store keeps the contract") {
  ScratchDirectory scratch;
  check_store_contract(
      [&] { return store::LocalStore::create(scratch.path() / "made" / "on" / "demand").value(); });
}

TEST_CASE("the memory store keeps the contract") {
  World world;
  check_store_contract([&] { return world.memory(); });
}

TEST_CASE("a metered store keeps the contract") {
  World world;
  check_store_contract([&] { return std::make_unique<store::MeteredStore>(world.memory()); });
}

TEST_CASE("a throttled store keeps the contract") {
  World world;
  const store::ThrottleLimits limits{100'000, 50'000};
  check_store_contract(
      [&] { return std::make_unique<store::ThrottledStore>(world.memory(), world.clock, limits); });
}

TEST_CASE("a faulty store without faults keeps the contract") {
  World world;
  check_store_contract([&] { return world.faulty(); });
}

TEST_CASE("a retrying store keeps the contract") {
  World world;
  check_store_contract(
      [&] { return std::make_unique<store::RetryingStore>(world.memory(), world.context); });
}

TEST_CASE("a retrying store over one that often fails keeps the contract") {
  World world;
  const store::RetryPolicy patient{.attempts_max = 40};
  check_store_contract([&] {
    return std::make_unique<store::RetryingStore>(world.faulty({.transient_percent = 20}),
                                                  world.context, patient);
  });
}

TEST_CASE("a stack of all decorators keeps the contract") {
  World world;
  ScratchDirectory scratch;
  check_store_contract([&]() -> std::unique_ptr<store::Store> {
    auto local = store::LocalStore::create(scratch.path()).value();
    auto metered = std::make_unique<store::MeteredStore>(std::move(local));
    auto throttled = std::make_unique<store::ThrottledStore>(std::move(metered), world.clock,
                                                             store::ThrottleLimits{1 << 20, 0});
    return std::make_unique<store::RetryingStore>(std::move(throttled), world.context);
  });
}

}  // namespace holdfast::test
