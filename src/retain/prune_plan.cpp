#include "retain/prune_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::retain {
namespace {

bool is_small(const PackFacts& pack) {
  const bool trees_only = pack.tally.has_trees && !pack.tally.has_data;
  return pack.tally.file_bytes() < (trees_only ? small_tree_pack_bytes : small_pack_bytes);
}
bool is_mixed(const PackFacts& pack) {
  return pack.tally.has_trees && pack.tally.has_data;
}

// Repacked whatever the limit on unused bytes says: trees are read by every run.
bool must_repack(const PackFacts& pack) {
  return is_mixed(pack) || (pack.tally.has_trees && pack.tally.unused_blobs > 0);
}

class Planner {
 public:
  Planner(const PruneFacts& facts, const PruneOptions& options) : facts_(facts), options_(options) {
    decisions_.actions.assign(facts.packs.size(), PackAction::keep);
  }

  Result<PackDecisions> run() {
    for (std::uint32_t number = 0; number < facts_.packs.size(); ++number) {
      const auto action = TRY(first_action(facts_.packs[number]));
      decisions_.actions[number] = action;
    }
    choose_repacks();
    for (std::uint32_t number = 0; number < facts_.packs.size(); ++number) record(number);
    for (const auto& pack : facts_.unindexed) decide_unindexed(pack);
    return std::move(decisions_);
  }

 private:
  bool is_young(Duration age) const { return facts_.others_at_work && age < options_.grace; }

  Result<PackAction> first_action(const PackFacts& pack) const {
    const bool is_needed = pack.tally.used_blobs > 0;
    if (!pack.file_bytes) {
      if (!is_needed) return PackAction::forget;
      return fail(ErrorCode::corrupt,
                  fmt::format("pack {} is needed and not in the store: nothing is deleted "
                              "(`verify` says what is affected)",
                              pack.id.short_hex()));
    }
    if (is_needed && *pack.file_bytes != pack.tally.file_bytes())
      return fail(ErrorCode::corrupt,
                  fmt::format("pack {} has {} bytes, the index says {}: nothing is deleted (try "
                              "`repair index`)",
                              pack.id.short_hex(), *pack.file_bytes, pack.tally.file_bytes()));
    if (pack.state == repo::PackState::marked) {
      if (is_needed) return PackAction::bring_back;
      return pack.may_be_removed ? PackAction::remove_marked : PackAction::wait;
    }
    if (is_needed) return PackAction::keep;
    return is_young(pack.age) ? PackAction::keep_young : PackAction::mark;
  }

  // Candidates, most worth it first, until little enough is unused or the limit is reached.
  void choose_repacks() {
    std::vector<std::uint32_t> candidates;
    std::size_t small = 0;
    std::uint64_t used = 0;
    std::uint64_t unused = 0;
    for (std::uint32_t number = 0; number < facts_.packs.size(); ++number) {
      const PackFacts& pack = facts_.packs[number];
      if (decisions_.actions[number] != PackAction::keep) continue;
      used += pack.tally.used_bytes;
      unused += pack.tally.unused_bytes;
      if (is_young(pack.age)) continue;
      if (is_small(pack)) ++small;
      if (is_small(pack) || is_mixed(pack) || pack.tally.unused_blobs > 0)
        candidates.push_back(number);
    }
    merges_small_ = small >= small_packs_min;
    std::ranges::sort(candidates,
                      [this](std::uint32_t a, std::uint32_t b) { return before(a, b); });
    const std::uint64_t percent = std::min(options_.unused_percent_max, 99U);
    const std::uint64_t unused_allowed = used * percent / (100 - percent);
    for (const auto number : candidates) {
      const PackFacts& pack = facts_.packs[number];
      if (!is_worth_it(pack, unused, unused_allowed)) continue;
      const std::uint64_t total = decisions_.bytes_to_repack + pack.tally.used_bytes;
      if (options_.repack_bytes_max && total > *options_.repack_bytes_max) continue;
      decisions_.bytes_to_repack = total;
      unused -= pack.tally.unused_bytes;
      decisions_.actions[number] = PackAction::repack;
    }
  }

  bool is_worth_it(const PackFacts& pack, std::uint64_t unused, std::uint64_t allowed) const {
    if (must_repack(pack)) return true;
    if (is_small(pack) && merges_small_) return true;
    return pack.tally.unused_blobs > 0 && unused > allowed;
  }

  bool before(std::uint32_t left, std::uint32_t right) const {
    const PackFacts& a = facts_.packs[left];
    const PackFacts& b = facts_.packs[right];
    if (must_repack(a) != must_repack(b)) return must_repack(a);
    if (is_small(a) != is_small(b)) return is_small(a);
    // unused/used of a above that of b, without dividing.
    const auto weight = [](const PackFacts& of, const PackFacts& against) {
      return static_cast<double>(of.tally.unused_bytes) *
             static_cast<double>(against.tally.used_bytes);
    };
    const double wa = weight(a, b);
    const double wb = weight(b, a);
    return wa != wb ? wa > wb : left < right;
  }

  std::string reason_of(const PackFacts& pack, PackAction action) const {
    const PackTally& tally = pack.tally;
    switch (action) {
      case PackAction::repack:
        if (is_mixed(pack)) return "holds data and trees";
        if (tally.unused_blobs == 0) return "small";
        return fmt::format("{} of {} blobs are not needed", tally.unused_blobs,
                           tally.unused_blobs + tally.used_blobs);
      case PackAction::mark:
        return "nothing needs it";
      case PackAction::keep_young:
        return "nothing needs it yet, but it is young and somebody is at work";
      case PackAction::bring_back:
        return fmt::format("{} of its blobs are needed again", tally.used_blobs);
      case PackAction::wait:
        return "marked, but somebody who may use it is at work";
      case PackAction::remove_marked:
        return "marked, and nobody who may use it is at work";
      case PackAction::forget:
        return "not in the store and not needed";
      default:
        return {};
    }
  }

  void record(std::uint32_t number) {
    const PackFacts& pack = facts_.packs[number];
    const PackAction action = decisions_.actions[number];
    const std::uint64_t bytes = pack.file_bytes.value_or(0);
    switch (action) {
      case PackAction::keep:
      case PackAction::keep_young:
      case PackAction::bring_back:
        ++decisions_.packs_kept;
        decisions_.bytes_kept += bytes;
        decisions_.unused_bytes_left += pack.tally.unused_bytes;
        break;
      case PackAction::repack:
        decisions_.bytes_to_free += bytes - std::min(bytes, pack.tally.used_bytes);
        break;
      default:
        decisions_.bytes_to_free += bytes;
    }
    if (action == PackAction::keep) return;
    decisions_.plans.push_back(
        {pack.id, action, reason_of(pack, action), bytes, pack.tally.unused_bytes});
  }

  void decide_unindexed(const UnindexedPack& pack) {
    const bool young = is_young(pack.age);
    const PackAction action = young ? PackAction::keep_unindexed : PackAction::remove_unindexed;
    decisions_.unindexed_actions.push_back(action);
    if (!young) decisions_.bytes_to_free += pack.bytes;
    decisions_.plans.push_back({pack.id, action,
                                young ? "in no index, but young and somebody is at work"
                                      : "left over from an interrupted run",
                                pack.bytes, pack.bytes});
  }

  const PruneFacts& facts_;
  const PruneOptions& options_;
  bool merges_small_ = false;
  PackDecisions decisions_;
};

}  // namespace

std::string_view name_of(PackAction action) {
  constexpr std::array<std::string_view, 10> names{
      "keep",          "keep_young", "repack",           "mark",          "bring_back", "wait",
      "remove_marked", "forget",     "remove_unindexed", "keep_unindexed"};
  return names[static_cast<std::size_t>(action)];
}

Result<PackDecisions> decide_packs(const PruneFacts& facts, const PruneOptions& options) {
  return Planner(facts, options).run();
}

}  // namespace holdfast::retain
