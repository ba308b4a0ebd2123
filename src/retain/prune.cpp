#include "retain/prune.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "repo/layout.hpp"
#include "retain/index_edit.hpp"
#include "retain/needed_segments.hpp"
#include "retain/repack.hpp"

namespace holdfast::retain {
namespace {

struct ListedPack {
  repo::PackId id;
  std::uint64_t bytes = 0;
  WallTime modified{};
};

// Everything a prune knows, in the order in which it has to learn it.
class Pruning {
 public:
  Pruning(repo::Repository& repository, const repo::Lock& lock, const PruneOptions& options)
      : repository_(repository), lock_(lock), options_(options) {}

  Result<void> make_plan();
  Result<void> carry_out();
  PrunePlan take_plan() { return std::move(result_.plan); }
  PruneResult take_result() { return std::move(result_); }

 private:
  WallTime store_now() const {
    return repository_.context().clock.now() + lock_.store_clock_ahead();
  }
  Result<void> list_packs();
  Result<void> look_for_others();
  Result<void> decide_snapshots();
  Result<void> look_at_index();
  Result<PruneFacts> gather_facts(const Tallies& tallies);
  Result<PackFacts> facts_of(std::uint32_t number, const PackTally& tally);
  void find_unindexed(PruneFacts& facts) const;
  bool may_be_removed(const repo::PackId& id) const;

  Result<void> remove_snapshots();
  Result<void> remove_unindexed();
  Result<void> move_blobs();
  Result<void> mark_packs();
  Result<void> find_published_meanwhile();
  Result<void> delete_marked();
  Result<void> settle_marks();
  bool mark(repo::IndexedPack& pack, const repo::NodeTime& time) const;
  bool settle(repo::IndexedPack& pack, const repo::NodeTime& time) const;
  Result<void> remove_pack(const repo::PackId& id, std::uint64_t bytes);
  bool is_newly_marked(PackAction action) const {
    return action == PackAction::mark || action == PackAction::repack;
  }

  repo::Repository& repository_;
  const repo::Lock& lock_;
  const PruneOptions& options_;
  std::vector<ListedPack> listed_;  // sorted by id
  std::vector<repo::ObservedLock> others_;
  std::vector<repo::StoredSnapshot> kept_;
  std::set<repo::SnapshotId> known_snapshots_;
  std::optional<repo::PositionSet> kept_blobs_;
  std::unordered_map<repo::PackId, WallTime> marks_;  // by the store's clock
  std::unordered_map<repo::PackId, std::uint32_t> numbers_;
  std::vector<UnindexedPack> unindexed_;
  std::set<repo::PackId> deleted_;
  std::set<repo::PackId> brought_back_;  // for snapshots published meanwhile
  PruneResult result_;
};

Result<void> Pruning::make_plan() {
  TRY(list_packs());
  TRY(look_for_others());
  for (const auto& other : others_) {
    result_.plan.others.push_back(other.describe());
    if (!other.is_ours()) result_.plan.restic_at_work = true;
  }
  if (lock_.role() == repo::LockRole::shared) result_.plan.restic_at_work = true;
  TRY(decide_snapshots());
  return look_at_index();
}

Result<void> Pruning::list_packs() {
  const auto keep = [&](const repo::PackId& id, const store::ObjectInfo& object) -> Result<void> {
    listed_.push_back({id, object.bytes, object.modified});
    return {};
  };
  TRY(repo::list_ids<repo::PackId>(repository_.store(), repo::packs_prefix, keep));
  std::ranges::sort(listed_, {}, &ListedPack::id);
  return {};
}

Result<void> Pruning::look_for_others() {
  // What somebody wrote before he released his lock must be in the listings that follow.
  repository_.context().clock.sleep_for(repository_.store().listing_lag());
  others_ = TRY(lock_.others());
  repository_.context().clock.sleep_for(repository_.store().listing_lag());
  return {};
}

Result<void> Pruning::decide_snapshots() {
  auto listing = TRY(repository_.list_snapshots());
  if (!listing.unreadable.empty())
    return fail(ErrorCode::corrupt,
                fmt::format("{}: what it needs is not known, so nothing is deleted",
                            describe(listing.unreadable.front())));
  const WallTime now = repository_.context().clock.now();
  for (const auto& group : group_snapshots(listing.snapshots)) {
    auto decisions = decide(group, options_.policy, now);
    const bool keeps_any = std::ranges::any_of(
        decisions, [](const Decision& decision) { return decision.fate == Fate::keep; });
    const bool may_go = keeps_any || is_companion_group(group);
    if (!may_go && options_.remove_all == PruneOptions::RemoveAll::refuse)
      return fail(ErrorCode::refused,
                  fmt::format("the policy keeps none of the {} snapshots of {} on {}",
                              decisions.size(), fmt::join(group.paths, ", "), group.hostname));
    for (auto& decision : decisions) result_.plan.snapshots.push_back(std::move(decision));
  }
  keep_needed_segments(result_.plan.snapshots);
  for (const auto& decision : result_.plan.snapshots) {
    known_snapshots_.insert(decision.snapshot.id);
    if (decision.fate == Fate::keep) kept_.push_back(decision.snapshot);
  }
  return {};
}

Result<void> Pruning::look_at_index() {
  TRY(repository_.load_index());
  const auto used = TRY(find_used_blobs(repository_, kept_));
  auto tallies = tally_packs(repository_.index(), used);
  const auto facts = TRY(gather_facts(tallies));
  result_.plan.packs = TRY(decide_packs(facts, options_));
  unindexed_ = facts.unindexed;
  kept_blobs_ = std::move(tallies.kept);
  return {};
}

Result<PruneFacts> Pruning::gather_facts(const Tallies& tallies) {
  const auto& index = repository_.index();
  for (const auto& id : index.index_files()) {
    const auto json = TRY(repository_.load_unpacked(id));
    TRY(repo::decode_index(json, [&](const repo::IndexedPack& pack) -> Result<void> {
      if (pack.state != repo::PackState::marked) return {};
      const WallTime time = pack.time ? repo::to_wall_time(*pack.time) : store_now();
      auto& mark = marks_.try_emplace(pack.id, time).first->second;
      mark = std::max(mark, time);
      return {};
    }));
  }
  PruneFacts facts;
  facts.others_at_work = !others_.empty();
  for (std::uint32_t number = 0; number < index.loaded_pack_count(); ++number) {
    const auto pack = TRY(facts_of(number, tallies.packs[number]));
    facts.packs.push_back(pack);
    numbers_.emplace(facts.packs.back().id, number);
  }
  find_unindexed(facts);
  return facts;
}

Result<PackFacts> Pruning::facts_of(std::uint32_t number, const PackTally& tally) {
  const auto entry = repository_.index().pack(number);
  PackFacts facts{entry.id, entry.state, tally, std::nullopt, {}, false};
  const auto at = std::ranges::lower_bound(listed_, entry.id, {}, &ListedPack::id);
  if (at != listed_.end() && at->id == entry.id) {
    facts.file_bytes = at->bytes;
    facts.age = store_now() - at->modified;
  } else {  // stored after the listing, or missing
    const auto found = repository_.store().stat(object_name(entry.id));
    if (!found.has_value() && found.error().code != ErrorCode::not_found)
      return fail(found.error());
    if (found.has_value()) facts.file_bytes = found->bytes;
  }
  facts.may_be_removed = may_be_removed(entry.id);
  return facts;
}

// Whether everybody at work began after the pack was marked.
bool Pruning::may_be_removed(const repo::PackId& id) const {
  const auto mark = marks_.find(id);
  if (mark == marks_.end() || result_.plan.restic_at_work) return false;
  return std::ranges::all_of(others_, [&](const repo::ObservedLock& other) {
    return other.started() > mark->second + mark_clock_slack;
  });
}

void Pruning::find_unindexed(PruneFacts& facts) const {
  for (const auto& pack : listed_)
    if (!numbers_.contains(pack.id))
      facts.unindexed.push_back({pack.id, pack.bytes, store_now() - pack.modified});
}

Result<void> Pruning::carry_out() {
  TRY(lock_.check_held());
  TRY(remove_snapshots());
  if (result_.plan.restic_at_work) {
    repository_.context().log.note(
        "restic is at work on the repository: snapshots were removed, packs stay for the next run");
    return {};
  }
  TRY(remove_unindexed());
  TRY(move_blobs());
  TRY(mark_packs());
  TRY(find_published_meanwhile());
  TRY(delete_marked());
  return settle_marks();
}

Result<void> Pruning::remove_snapshots() {
  for (const auto& decision : result_.plan.snapshots) {
    if (decision.fate == Fate::keep) continue;
    TRY(repository_.remove_snapshot(decision.snapshot.id));
    ++result_.snapshots_removed;
  }
  return {};
}

Result<void> Pruning::remove_pack(const repo::PackId& id, std::uint64_t bytes) {
  TRY(repository_.store().remove(object_name(id)));
  ++result_.packs_removed;
  result_.bytes_removed += bytes;
  return {};
}

Result<void> Pruning::remove_unindexed() {
  for (std::size_t i = 0; i < unindexed_.size(); ++i)
    if (result_.plan.packs.unindexed_actions[i] == PackAction::remove_unindexed)
      TRY(remove_pack(unindexed_[i].id, unindexed_[i].bytes));
  return {};
}

Result<void> Pruning::move_blobs() {
  const auto& actions = result_.plan.packs.actions;
  std::vector<bool> packs;
  for (const auto action : actions) packs.push_back(action == PackAction::repack);
  if (std::ranges::none_of(packs, [](bool moves) { return moves; })) return {};
  const auto moved = TRY(repack(repository_, packs, *kept_blobs_));
  result_.blobs_moved = moved.blobs;
  result_.bytes_moved = moved.bytes;
  return {};
}

bool Pruning::mark(repo::IndexedPack& pack, const repo::NodeTime& time) const {
  const auto number = numbers_.find(pack.id);
  if (number == numbers_.end()) return true;
  const PackAction action = result_.plan.packs.actions[number->second];
  switch (action) {
    case PackAction::forget:
      return false;
    case PackAction::bring_back:
      pack.state = repo::PackState::live;
      pack.time.reset();
      return true;
    case PackAction::mark:
    case PackAction::repack:
      pack.state = repo::PackState::marked;
      pack.time = time;
      return true;
    case PackAction::keep:
    case PackAction::keep_young:
      // Live in one file and marked in another: somebody died in between, or brought it back.
      return pack.state == repo::PackState::live;
    default:
      return true;
  }
}

// Until the old index files are gone somebody may still start to use a pack: the mark is dated
// ahead, and gets its real time in settle_marks().
Result<void> Pruning::mark_packs() {
  const auto ahead = repo::make_node_time(store_now() + index_rewrite_max);
  const Duration begun = repository_.context().clock.monotonic();
  const auto& known = repository_.index().index_files();
  IndexEdit edit;
  edit.files.assign(known.begin(), known.end());
  edit.edit = [&](repo::IndexedPack& pack) { return mark(pack, ahead); };
  edit.may_go_on = [&]() -> Result<void> {
    if (repository_.context().clock.monotonic() - begun > index_rewrite_max)
      return fail(ErrorCode::failed, "rewriting the index took too long");
    return lock_.check_held();
  };
  edit.merge_small = IndexEdit::MergeSmall::yes;
  TRY(edit_index(repository_, edit));
  for (const auto action : result_.plan.packs.actions)
    if (action == PackAction::bring_back) ++result_.packs_brought_back;
  return {};
}

// Who was at work before the mark is seen now, or has published: its snapshot is listed now.
Result<void> Pruning::find_published_meanwhile() {
  TRY(look_for_others());
  auto listing = TRY(repository_.list_snapshots());
  if (!listing.unreadable.empty()) return fail(listing.unreadable.front());
  std::vector<repo::StoredSnapshot> published;
  for (auto& stored : listing.snapshots)
    if (!known_snapshots_.contains(stored.id)) published.push_back(std::move(stored));
  if (published.empty()) return {};
  // The plan goes by numbers of the index of before: keep them with the ids.
  TRY(repository_.load_index());
  const auto& index = repository_.index();
  const auto used = TRY(find_used_blobs(repository_, published));
  const auto tallies = tally_packs(index, used);
  for (std::uint32_t number = 0; number < index.loaded_pack_count(); ++number) {
    const auto pack = index.pack(number);
    if (pack.state == repo::PackState::marked && tallies.packs[number].used_blobs > 0)
      brought_back_.insert(pack.id);
  }
  result_.packs_brought_back += brought_back_.size();
  return {};
}

Result<void> Pruning::delete_marked() {
  TRY(lock_.check_held());
  for (const auto& plan : result_.plan.packs.plans) {
    const bool is_new = is_newly_marked(plan.action);
    const bool is_old = plan.action == PackAction::remove_marked;
    if (!is_new && !is_old) continue;
    const bool may_go = is_new ? others_.empty() : may_be_removed(plan.id);
    if (may_go && !brought_back_.contains(plan.id)) {
      TRY(remove_pack(plan.id, plan.bytes));
      deleted_.insert(plan.id);
    } else if (!brought_back_.contains(plan.id)) {
      ++result_.packs_marked;
      result_.bytes_marked += plan.bytes;
    }
  }
  return repository_.store().sync();
}

bool Pruning::settle(repo::IndexedPack& pack, const repo::NodeTime& time) const {
  if (pack.state == repo::PackState::live) return true;
  if (deleted_.contains(pack.id)) return false;
  if (brought_back_.contains(pack.id)) {
    pack.state = repo::PackState::live;
    pack.time.reset();
    return true;
  }
  const auto number = numbers_.find(pack.id);
  if (number != numbers_.end() && is_newly_marked(result_.plan.packs.actions[number->second]))
    pack.time = time;
  return true;
}

Result<void> Pruning::settle_marks() {
  const auto time = repo::make_node_time(store_now());
  IndexEdit edit;
  edit.files = TRY(repo::list_ids<repo::IndexId>(repository_.store(), repo::indexes_prefix));
  edit.edit = [&](repo::IndexedPack& pack) { return settle(pack, time); };
  edit.may_go_on = [this] { return lock_.check_held(); };
  TRY(edit_index(repository_, edit));
  return {};
}

}  // namespace

Result<repo::Lock> take_prune_lock(const repo::Repository& repository, repo::LockOptions options) {
  options.role = repo::LockRole::prune;
  auto taken = repo::Lock::take(repository, options);
  if (taken.has_value() || taken.error().code != ErrorCode::locked) return taken;
  options.role = repo::LockRole::shared;
  options.wait = {};
  auto shared = repo::Lock::take(repository, options);
  if (!shared.has_value()) return shared;
  const auto others = TRY(shared->others());
  const bool only_restic = std::ranges::all_of(others, [](const repo::ObservedLock& other) {
    return !other.is_ours() || other.role() == repo::LockRole::shared;
  });
  if (only_restic) return shared;
  return taken;
}

Result<PrunePlan> plan_prune(repo::Repository& repository, const repo::Lock& lock,
                             const PruneOptions& options) {
  Pruning pruning(repository, lock, options);
  TRY(pruning.make_plan());
  return pruning.take_plan();
}

Result<PruneResult> prune(repo::Repository& repository, const repo::Lock& lock,
                          const PruneOptions& options) {
  Pruning pruning(repository, lock, options);
  TRY(pruning.make_plan());
  TRY(pruning.carry_out());
  return pruning.take_result();
}

}  // namespace holdfast::retain
