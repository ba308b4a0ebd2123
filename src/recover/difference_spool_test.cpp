#include "recover/difference_spool.hpp"

#include <doctest/doctest.h>

#include "base/rng.hpp"
#include "dataset/spill_files.hpp"
#include "doubles/scratch_directory.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

struct Kept {
  DifferenceKind kind;
  Bytes then;
  Bytes now;
  friend bool operator==(const Kept&, const Kept&) = default;
};

std::vector<Kept> replayed(DifferenceSpool& spool) {
  std::vector<Kept> all;
  const auto done = spool.replay([&](const SpooledDifference& each) -> Result<void> {
    all.push_back({each.kind, to_bytes(each.then), to_bytes(each.now)});
    return {};
  });
  REQUIRE(done.has_value());
  return all;
}

// Differences of any size; some larger than what is kept in memory.
std::vector<Kept> random_differences(std::uint64_t seed, std::size_t count, std::size_t bytes_max) {
  SeededRng rng(seed);
  std::vector<Kept> all;
  for (std::size_t number = 0; number < count; ++number) {
    Bytes then(static_cast<std::size_t>(rng.below(bytes_max)));
    Bytes now(static_cast<std::size_t>(rng.below(bytes_max)));
    rng.fill(then);
    rng.fill(now);
    all.push_back({static_cast<DifferenceKind>(rng.below(3)), then, now});
  }
  return all;
}

}  // namespace

TEST_CASE("Differences come back in order, few from memory and many from temporary space") {
  const test::ScratchDirectory scratch;
  dataset::SpillFiles spill(scratch.path());
  for (const std::size_t bytes_max : {std::size_t{1}, std::size_t{500}, std::size_t{400'000}}) {
    DifferenceSpool spool(spill);
    const auto wanted = random_differences(bytes_max, 100, bytes_max);
    for (const Kept& each : wanted) REQUIRE(spool.add(each.kind, each.then, each.now).has_value());
    CHECK(spool.count() == wanted.size());
    CHECK(replayed(spool) == wanted);
    CHECK(replayed(spool) == wanted);  // any number of times
  }
}

TEST_CASE("A spool can be emptied, moved and used again") {
  const test::ScratchDirectory scratch;
  dataset::SpillFiles spill(scratch.path());
  DifferenceSpool spool(spill);
  for (const Kept& each : random_differences(7, 40, 400'000))
    REQUIRE(spool.add(each.kind, each.then, each.now).has_value());
  spool.clear();
  CHECK(spool.count() == 0);
  CHECK(replayed(spool).empty());
  const auto wanted = random_differences(8, 40, 400'000);
  for (const Kept& each : wanted) REQUIRE(spool.add(each.kind, each.then, each.now).has_value());
  DifferenceSpool moved = std::move(spool);
  CHECK(replayed(moved) == wanted);
}

TEST_CASE("An error of who takes the differences ends the replay") {
  oplog::MemorySpill spill;
  DifferenceSpool spool(spill);
  REQUIRE(spool.add(DifferenceKind::missing, as_bytes("a"), {}).has_value());
  REQUIRE(spool.add(DifferenceKind::missing, as_bytes("b"), {}).has_value());
  int count = 0;
  const auto done = spool.replay([&](const SpooledDifference&) -> Result<void> {
    ++count;
    return fail(ErrorCode::io, "full");
  });
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ErrorCode::io);
  CHECK(count == 1);
}
