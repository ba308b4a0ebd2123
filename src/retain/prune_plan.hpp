#pragma once
// What a prune will do with each pack, and why: a value that can be printed, tested and approved
// before anything happens (docs/repository_format.md A14, steps 4 and 5).
//
// Packs go in two phases. A pack to go is first *marked*: moved to packs_to_delete of an index file
// with a time, so that no new backup uses it. It is deleted when nobody who worked before the mark
// is at work any more. A marked pack that turns out to be needed is brought back.
#include "repo/index_file.hpp"
#include "retain/policy.hpp"
#include "retain/used_blobs.hpp"

namespace holdfast::retain {

// Packs that a live writer may still need are left alone so long, unless nobody is at work.
constexpr std::chrono::hours grace_default{24};
constexpr unsigned unused_percent_default = 5;
// Packs below this are rewritten into full ones when there are enough of them.
constexpr std::uint64_t small_pack_bytes = std::uint64_t{4} << 20;
constexpr std::uint64_t small_tree_pack_bytes = std::uint64_t{1} << 20;
constexpr std::size_t small_packs_min = 10;

struct PruneOptions {
  KeepPolicy policy{};
  Duration grace = grace_default;
  unsigned unused_percent_max = unused_percent_default;  // of all bytes, may stay unused
  std::optional<std::uint64_t> repack_bytes_max{};       // for each run; trees come first
  enum class RemoveAll : std::uint8_t { refuse, allow } remove_all = RemoveAll::refuse;
};

enum class PackAction : std::uint8_t {
  keep,
  keep_young,     // nothing needs it yet, but somebody at work may
  repack,         // its used blobs move, then it is marked
  mark,           // nothing needs it
  bring_back,     // marked, but needed again
  wait,           // marked, and stays so for now
  remove_marked,  // marked long enough
  forget,         // in the index, not in the store, and not needed
  remove_unindexed,
  keep_unindexed,  // young, and somebody is at work
};
std::string_view name_of(PackAction action);  // "keep", "repack"

// What is known about one pack of the index.
struct PackFacts {
  repo::PackId id;
  repo::PackState state = repo::PackState::live;
  PackTally tally;
  std::optional<std::uint64_t> file_bytes;  // empty: not in the store
  Duration age{};                           // of the file
  bool may_be_removed = false;              // marked, and nobody from before the mark is at work
};
struct UnindexedPack {
  repo::PackId id;
  std::uint64_t bytes = 0;
  Duration age{};
};
struct PruneFacts {
  std::vector<PackFacts> packs;  // by pack number
  std::vector<UnindexedPack> unindexed;
  bool others_at_work = false;
};

struct PackPlan {
  repo::PackId id;
  PackAction action = PackAction::keep;
  std::string reason;
  std::uint64_t bytes = 0;         // of the file
  std::uint64_t unused_bytes = 0;  // of blobs in it
};

struct PackDecisions {
  std::vector<PackAction> actions;            // by pack number
  std::vector<PackAction> unindexed_actions;  // as PruneFacts::unindexed
  std::vector<PackPlan> plans;                // all but `keep`
  std::uint64_t packs_kept = 0;
  std::uint64_t bytes_kept = 0;         // in packs that stay as they are
  std::uint64_t unused_bytes_left = 0;  // in packs that stay
  std::uint64_t bytes_to_repack = 0;    // used bytes that move
  std::uint64_t bytes_to_free = 0;      // by everything that goes, now or later
};

// Pure. Errors: corrupt when a pack that is needed is missing or has the wrong size: then nothing
// may be deleted.
Result<PackDecisions> decide_packs(const PruneFacts& facts, const PruneOptions& options);

}  // namespace holdfast::retain
