#include "store/faulty_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "store/object_name.hpp"

namespace holdfast::store {
namespace {

// Changes are remembered at least this long for stale listings, then the oldest are dropped.
constexpr std::size_t changes_max = 100'000;

tl::unexpected<Error> after_crash() {
  return fail(ErrorCode::failed, "the store crashed (simulated)");
}

}  // namespace

FaultyStore::FaultyStore(std::unique_ptr<Store> inner, Clock& clock, std::uint64_t seed,
                         FaultScript script)
    : inner_(std::move(inner)), clock_(clock), rng_(seed), script_(std::move(script)) {}

Result<void> FaultyStore::reopen(FaultScript script) {
  MutexLock lock(mutex_);
  TRY(settle_unsynced());
  script_ = std::move(script);
  counted_ = 0;
  crashed_ = false;
  return {};
}

bool FaultyStore::crashed() const {
  MutexLock lock(mutex_);
  return crashed_;
}

std::uint64_t FaultyStore::calls() const {
  MutexLock lock(mutex_);
  return counted_;
}

Duration FaultyStore::listing_lag() const {
  MutexLock lock(mutex_);
  return std::max(script_.listing_lag, inner_->listing_lag());
}

Result<FaultyStore::Fate> FaultyStore::begin(StoreCall call) {
  if (crashed_) return after_crash();
  ++calls_;
  const bool counts = !script_.counted || *script_.counted == call;
  if (counts) {
    ++counted_;
    if (counted_ == script_.crash_at_call)
      return rng_.below(2) == 0 ? Fate::crashes_before : Fate::crashes_after;
    if (script_.transient_at_calls.contains(counted_))
      return fail(ErrorCode::store_unreachable,
                  fmt::format("call {} ({}) failed for once (simulated)", counted_, name_of(call)));
    const auto scripted = script_.fail_at_calls.find(counted_);
    if (scripted != script_.fail_at_calls.end())
      return fail(scripted->second,
                  fmt::format("call {} ({}) failed (simulated)", counted_, name_of(call)));
  }
  if (rng_.below(100) < script_.transient_percent)
    return fail(ErrorCode::store_unreachable,
                fmt::format("{} failed by chance (simulated)", name_of(call)));
  return Fate::works;
}

// `result` is what the call would have answered.
Result<void> FaultyStore::finish(Fate fate, Result<void> result) {
  if (fate == Fate::works) return result;
  return fail(crash());
}

Error FaultyStore::crash() {
  auto settled = settle_unsynced();
  crashed_ = true;
  if (!settled.has_value()) return settled.error();
  return after_crash().value();
}

// What a power cut leaves of work that no barrier followed.
Result<void> FaultyStore::settle_unsynced() {
  for (auto& [name, bytes] : unsynced_) {
    const auto chance = rng_.below(3);
    if (chance == 0) continue;
    if (chance == 1 && script_.torn == Torn::no) continue;
    if (chance == 1) bytes.resize(rng_.below(bytes.size() + 1));
    TRY(inner_->put(name, bytes, Durability::immediate));
  }
  unsynced_.clear();
  for (const auto& [name, bytes] : removed_)
    if (rng_.below(2) == 0) TRY(inner_->put(name, bytes, Durability::immediate));
  removed_.clear();
  return {};
}

void FaultyStore::note_change(std::string_view name, std::optional<ObjectInfo> removed) {
  if (changes_.size() >= changes_max) changes_.erase(changes_.begin());
  changes_.insert_or_assign(std::string(name),
                            Change{calls_, clock_.monotonic(), std::move(removed)});
}

bool FaultyStore::is_recent(const Change& change) const {
  return calls_ - change.call <= script_.stale_list_calls
             ? script_.stale_list_calls > 0
             : clock_.monotonic() - change.when < script_.listing_lag;
}

Result<void> FaultyStore::put(std::string_view name, ByteView bytes, Durability durability,
                              const Condition& condition) {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::put));
  if (fate == Fate::crashes_before) return fail(crash());
  return finish(fate, perform_put(name, bytes, durability, condition));
}

Result<void> FaultyStore::perform_put(std::string_view name, ByteView bytes, Durability durability,
                                      const Condition& condition) {
  TRY(check_object_name(name));
  if (is_temporary_name(name))
    return fail(ErrorCode::refused, fmt::format("\"{}\" is a temporary name", name));
  const std::string key(name);
  if (durability == Durability::at_sync && condition.kind == Condition::Kind::none) {
    unsynced_.insert_or_assign(key, to_bytes(bytes));
    return {};
  }
  TRY(inner_->put(name, bytes, Durability::immediate, condition));
  unsynced_.erase(key);
  removed_.erase(key);
  note_change(name, std::nullopt);
  return {};
}

Result<Bytes> FaultyStore::damage(Result<Bytes> bytes) {
  if (!bytes.has_value() || bytes->empty() || rng_.below(100) >= script_.flip_percent) return bytes;
  const auto bit = rng_.below(bytes->size() * 8);
  (*bytes)[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  return bytes;
}

Result<Bytes> FaultyStore::get(std::string_view name) {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::get));
  if (fate != Fate::works) return fail(crash());
  return damage(inner_->get(name));
}

Result<Bytes> FaultyStore::get_range(std::string_view name, std::uint64_t offset,
                                     std::uint64_t length) {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::get_range));
  if (fate != Fate::works) return fail(crash());
  return damage(inner_->get_range(name, offset, length));
}

Result<ObjectInfo> FaultyStore::stat(std::string_view name) {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::stat));
  if (fate != Fate::works) return fail(crash());
  return inner_->stat(name);
}

Result<void> FaultyStore::list(std::string_view prefix, const Visitor& visit) {
  std::vector<ObjectInfo> found;  // the visitor may call the store
  {
    MutexLock lock(mutex_);
    const Fate fate = TRY(begin(StoreCall::list));
    if (fate != Fate::works) return fail(crash());
    std::erase_if(changes_, [this](const auto& change)
                                REQUIRES_LOCK(mutex_) { return !is_recent(change.second); });
    TRY(inner_->list(prefix, [&](const ObjectInfo& object) -> Result<void> {
      found.push_back(object);
      return {};
    }));
    std::erase_if(found, [this](const ObjectInfo& object) REQUIRES_LOCK(mutex_) {
      const auto at = changes_.find(object.name);
      return at != changes_.end() && !at->second.removed;
    });
    for (const auto& [name, change] : changes_)
      if (change.removed && name.starts_with(prefix)) found.push_back(*change.removed);
  }
  for (const auto& object : found) TRY(visit(object));
  return {};
}

Result<void> FaultyStore::remove(std::string_view name) {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::remove));
  if (fate == Fate::crashes_before) return fail(crash());
  return finish(fate, perform_remove(name));
}

Result<void> FaultyStore::perform_remove(std::string_view name) {
  TRY(check_object_name(name));
  const std::string key(name);
  unsynced_.erase(key);
  auto bytes = inner_->get(name);
  if (!bytes.has_value() && bytes.error().code == ErrorCode::not_found) return {};
  if (!bytes.has_value()) return fail(bytes.error());
  auto before = TRY(inner_->stat(name));
  TRY(inner_->remove(name));
  removed_.insert_or_assign(key, std::move(*bytes));
  before.version.clear();
  note_change(name, std::move(before));
  return {};
}

Result<void> FaultyStore::sync() {
  MutexLock lock(mutex_);
  const Fate fate = TRY(begin(StoreCall::sync));
  if (fate == Fate::crashes_before) return fail(crash());
  return finish(fate, perform_sync());
}

Result<void> FaultyStore::perform_sync() {
  for (const auto& [name, bytes] : unsynced_) {
    TRY(inner_->put(name, bytes, Durability::at_sync));
    note_change(name, std::nullopt);
    removed_.erase(name);
  }
  TRY(inner_->sync());
  unsynced_.clear();
  removed_.clear();
  return {};
}

}  // namespace holdfast::store
