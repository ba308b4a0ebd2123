#include "retain/prune_plan.hpp"

#include <doctest/doctest.h>

namespace holdfast::retain {
namespace {

constexpr std::uint64_t mib = 1 << 20;

// A full live data pack of 16 MiB with so many percent used.
PackFacts pack_with(unsigned used_percent) {
  PackFacts pack;
  static std::uint8_t next = 0;
  pack.id.bytes[0] = ++next;
  pack.tally.used_blobs = used_percent;
  pack.tally.unused_blobs = 100 - used_percent;
  pack.tally.used_bytes = 16 * mib * used_percent / 100;
  pack.tally.unused_bytes = 16 * mib - pack.tally.used_bytes;
  pack.tally.has_data = true;
  pack.file_bytes = pack.tally.file_bytes();
  pack.age = std::chrono::hours(1);
  return pack;
}

PackAction action_of(const PackFacts& pack, const PruneOptions& options = {}) {
  PruneFacts facts;
  facts.packs = {pack};
  return decide_packs(facts, options).value().actions.front();
}

TEST_CASE("what happens to one pack") {
  CHECK(action_of(pack_with(100)) == PackAction::keep);
  CHECK(action_of(pack_with(0)) == PackAction::mark);
  CHECK(action_of(pack_with(50)) == PackAction::repack);
  CHECK(action_of(pack_with(99)) == PackAction::keep);

  auto missing = pack_with(0);
  missing.file_bytes.reset();
  CHECK(action_of(missing) == PackAction::forget);

  auto marked = pack_with(0);
  marked.state = repo::PackState::marked;
  CHECK(action_of(marked) == PackAction::wait);
  marked.may_be_removed = true;
  CHECK(action_of(marked) == PackAction::remove_marked);
  marked.tally.used_blobs = 1;
  CHECK(action_of(marked) == PackAction::bring_back);
}

TEST_CASE("a needed pack that is missing or of the wrong size stops everything") {
  PruneFacts facts;
  facts.packs = {pack_with(0), pack_with(100)};
  facts.packs[1].file_bytes.reset();
  CHECK(decide_packs(facts, {}).error().code == ErrorCode::corrupt);
  facts.packs[1].file_bytes = 100;
  CHECK(decide_packs(facts, {}).error().code == ErrorCode::corrupt);
  facts.packs[0].file_bytes = 100;  // not needed: its size does not matter
  facts.packs[1] = pack_with(100);
  CHECK(decide_packs(facts, {}).value().actions[0] == PackAction::mark);
}

TEST_CASE("young packs are left alone while somebody is at work") {
  PruneFacts facts;
  facts.packs = {pack_with(0), pack_with(50), pack_with(0)};
  facts.packs[2].age = std::chrono::hours(25);
  facts.unindexed = {{{}, 5, std::chrono::hours(1)}, {{}, 7, std::chrono::hours(25)}};
  facts.others_at_work = true;
  const auto busy = decide_packs(facts, {}).value();
  CHECK(busy.actions == std::vector{PackAction::keep_young, PackAction::keep, PackAction::mark});
  CHECK(busy.unindexed_actions ==
        std::vector{PackAction::keep_unindexed, PackAction::remove_unindexed});
  facts.others_at_work = false;
  const auto alone = decide_packs(facts, {}).value();
  CHECK(alone.actions == std::vector{PackAction::mark, PackAction::repack, PackAction::mark});
  CHECK(alone.unindexed_actions ==
        std::vector{PackAction::remove_unindexed, PackAction::remove_unindexed});
}

TEST_CASE("repacking stops when little enough is unused, the emptiest packs first") {
  PruneFacts facts;
  for (int i = 0; i < 20; ++i) facts.packs.push_back(pack_with(100));
  facts.packs[3] = pack_with(10);
  facts.packs[5] = pack_with(90);
  const auto decisions = decide_packs(facts, {}).value();
  CHECK(decisions.actions[3] == PackAction::repack);
  CHECK(decisions.actions[5] == PackAction::keep);
  CHECK(decide_packs(facts, {.unused_percent_max = 0}).value().actions[5] == PackAction::repack);
}

TEST_CASE("packs of trees with anything unneeded, and mixed ones, are always repacked") {
  PruneFacts facts;
  for (int i = 0; i < 20; ++i) facts.packs.push_back(pack_with(100));
  facts.packs[0] = pack_with(99);
  facts.packs[0].tally.has_data = false;
  facts.packs[0].tally.has_trees = true;
  facts.packs[1].tally.has_trees = true;
  const auto decisions = decide_packs(facts, {}).value();
  CHECK(decisions.actions[0] == PackAction::repack);
  CHECK(decisions.actions[1] == PackAction::repack);
  CHECK(decisions.actions[2] == PackAction::keep);
}

TEST_CASE("small packs are merged when there are enough of them") {
  PruneFacts facts;
  for (int i = 0; i < 9; ++i) {
    facts.packs.push_back(pack_with(100));
    facts.packs.back().tally.used_bytes = 1000;
    facts.packs.back().file_bytes = facts.packs.back().tally.file_bytes();
  }
  CHECK(decide_packs(facts, {}).value().plans.empty());
  facts.packs.push_back(facts.packs.back());
  CHECK(decide_packs(facts, {}).value().plans.size() == 10);
}

TEST_CASE("the limit on bytes to move is kept") {
  PruneFacts facts;
  facts.packs = {pack_with(50), pack_with(40), pack_with(30)};
  const auto decisions =
      decide_packs(facts, {.unused_percent_max = 0, .repack_bytes_max = 12 * mib}).value();
  CHECK(decisions.bytes_to_repack <= 12 * mib);
  CHECK(decisions.actions[2] == PackAction::repack);
  CHECK(decisions.actions[1] == PackAction::repack);
  CHECK(decisions.actions[0] == PackAction::keep);
}

TEST_CASE("every pack that does not just stay has a reason") {
  PruneFacts facts;
  facts.packs = {pack_with(0), pack_with(50), pack_with(100)};
  facts.unindexed = {{{}, 5, {}}};
  const auto decisions = decide_packs(facts, {}).value();
  CHECK(decisions.plans.size() == 3);
  for (const auto& plan : decisions.plans) CHECK(!plan.reason.empty());
  CHECK(decisions.packs_kept == 1);
}

}  // namespace
}  // namespace holdfast::retain
