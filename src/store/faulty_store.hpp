#pragma once
// A store that fails on purpose, by script and by seed, over any other store. It takes every
// liberty that the contract in store.hpp leaves and no more:
//  - objects put at_sync are invisible until sync(), and at a crash each of them is lost, or there,
//    or (Torn::yes) there but cut short: an object that never passed a barrier proves nothing;
//  - removals that no sync() followed may be undone by a crash;
//  - the call that crashes may have had its effect or not;
//  - listings may hide the newest objects and still show removed ones.
// Reads can also flip a bit (a bad disk), which the contract does not allow and readers must find.
#include <map>
#include <optional>
#include <set>

#include "base/mutex.hpp"
#include "base/rng.hpp"
#include "store/store.hpp"
#include "store/store_call.hpp"

namespace holdfast::store {

enum class Torn : std::uint8_t { no, yes };

// Calls are counted from 1. An empty script: no faults, but unsynced objects stay invisible.
struct FaultScript {
  std::optional<StoreCall> counted{};                  // count only these; absent: all
  std::uint64_t crash_at_call = 0;                     // 0: never. From here on everything fails
  std::set<std::uint64_t> transient_at_calls{};        // these fail once with store_unreachable
  std::map<std::uint64_t, ErrorCode> fail_at_calls{};  // these fail with that code
  unsigned transient_percent = 0;                      // any other call, by chance
  unsigned flip_percent = 0;                           // one bit of what get and get_range return
  Torn torn = Torn::no;
  std::uint64_t stale_list_calls = 0;  // list does not know what happened in the last k calls
  Duration listing_lag{};              // and in this span of the clock
};

// Thread-safe; with several threads the call that is number N depends on the scheduler.
class FaultyStore final : public Store {
 public:
  FaultyStore(std::unique_ptr<Store> inner, Clock& clock, std::uint64_t seed,
              FaultScript script = {});

  // The process died and a new one opens the store: unsynced objects and removals meet their fate
  // (at the crash, or now), counting starts again under the new script.
  Result<void> reopen(FaultScript script = {});
  bool crashed() const;
  std::uint64_t calls() const;  // counted ones since the script began
  Store& inner() { return *inner_; }

  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition = Condition::none()) override;
  Result<Bytes> get(std::string_view name) override;
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override;
  Result<ObjectInfo> stat(std::string_view name) override;
  Result<void> list(std::string_view prefix, const Visitor& visit) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  Duration listing_lag() const override;
  std::string describe() const override { return "faulty " + inner_->describe(); }

 private:
  // What the script says about the call that just arrived.
  enum class Fate : std::uint8_t { works, crashes_before, crashes_after };
  struct Change {
    std::uint64_t call = 0;
    Duration when{};
    std::optional<ObjectInfo> removed;  // what a stale listing still shows
  };
  using BytesByName = std::map<std::string, Bytes, std::less<>>;

  Result<Fate> begin(StoreCall call) REQUIRES_LOCK(mutex_);
  Result<void> finish(Fate fate, Result<void> result) REQUIRES_LOCK(mutex_);
  Error crash() REQUIRES_LOCK(mutex_);
  Result<void> settle_unsynced() REQUIRES_LOCK(mutex_);
  Result<void> perform_put(std::string_view name, ByteView bytes, Durability durability,
                           const Condition& condition) REQUIRES_LOCK(mutex_);
  Result<void> perform_remove(std::string_view name) REQUIRES_LOCK(mutex_);
  Result<void> perform_sync() REQUIRES_LOCK(mutex_);
  Result<Bytes> damage(Result<Bytes> bytes) REQUIRES_LOCK(mutex_);
  void note_change(std::string_view name, std::optional<ObjectInfo> removed) REQUIRES_LOCK(mutex_);
  bool is_recent(const Change& change) const REQUIRES_LOCK(mutex_);

  const std::unique_ptr<Store> inner_;
  Clock& clock_;
  mutable Mutex mutex_;
  SeededRng rng_ GUARDED_BY(mutex_);
  FaultScript script_ GUARDED_BY(mutex_);
  std::uint64_t counted_ GUARDED_BY(mutex_) = 0;  // calls the script counts
  std::uint64_t calls_ GUARDED_BY(mutex_) = 0;    // all calls
  bool crashed_ GUARDED_BY(mutex_) = false;
  BytesByName unsynced_ GUARDED_BY(mutex_);
  BytesByName removed_ GUARDED_BY(mutex_);  // removals no barrier followed
  std::map<std::string, Change, std::less<>> changes_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
