#pragma once
// A repository in memory with a simulated clock: what most tests above the store start from.
#include <doctest/doctest.h>

#include "doubles/recording_log.hpp"
#include "repo/repository.hpp"
#include "store/faulty_store.hpp"
#include "store/memory_store.hpp"

namespace holdfast::test {

// Cheap enough to open a thousand times in a test; far too cheap for anything else.
constexpr repo::ScryptCost test_scrypt_cost{16, 8, 1};

// The faulty store is there from the beginning; without a script it only makes unsynced objects
// invisible. Everything is repeatable: the seed decides.
struct MemoryRepository {
  SimClock clock{WallTime(std::chrono::seconds(1'764'000'000))};
  SeededRng rng;
  RecordingLog log;
  std::stop_source stop;
  Context context{clock, rng, log, stop.get_token()};
  store::FaultyStore store;
  Secret password{as_bytes("test")};

  explicit MemoryRepository(std::uint64_t seed = 1)
      : rng(seed), store(std::make_unique<store::MemoryStore>(clock), clock, seed) {
    const repo::InitOptions options{{}, test_scrypt_cost};
    const auto made = repo::Repository::init(context, store, password, options);
    REQUIRE_MESSAGE(made.has_value(), describe_failure(made));
  }

  repo::Repository open() {
    auto opened = repo::Repository::open(context, store, password);
    REQUIRE_MESSAGE(opened.has_value(), describe_failure(opened));
    return std::move(*opened);
  }
  repo::Repository open_indexed() {
    auto opened = open();
    const auto loaded = opened.load_index();
    REQUIRE_MESSAGE(loaded.has_value(), describe_failure(loaded));
    return opened;
  }
  std::vector<std::string> names(std::string_view prefix = "") {
    std::vector<std::string> found;
    const auto listed = store.list(prefix, [&](const store::ObjectInfo& object) -> Result<void> {
      found.push_back(object.name);
      return {};
    });
    REQUIRE_MESSAGE(listed.has_value(), describe_failure(listed));
    return found;
  }

  template <class T>
  static std::string describe_failure(const Result<T>& result) {
    return result.has_value() ? std::string("ok") : describe(result.error());
  }
};

}  // namespace holdfast::test
