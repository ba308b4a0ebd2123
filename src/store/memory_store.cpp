#include "store/memory_store.hpp"

#include <fmt/format.h>

#include "store/object_name.hpp"

namespace holdfast::store {
namespace {

tl::unexpected<Error> missing(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("{} is not in memory", name));
}

}  // namespace

Result<void> MemoryStore::put(std::string_view name, ByteView bytes, Durability durability,
                              const Condition& condition) {
  TRY(check_object_name(name));
  if (is_temporary_name(name))
    return fail(ErrorCode::refused, fmt::format("\"{}\" is a temporary name", name));
  MutexLock lock(mutex_);
  const auto at = objects_.find(name);
  const bool found = at != objects_.end();
  if (condition.kind == Condition::Kind::if_absent && found)
    return fail(ErrorCode::exists, fmt::format("{} exists in memory", name));
  if (condition.kind == Condition::Kind::if_version &&
      (!found || fmt::to_string(at->second.version) != condition.version))
    return fail(ErrorCode::conflict, fmt::format("{} was changed by somebody else", name));
  Object object{to_bytes(bytes), clock_.now(), next_version_++};
  const bool waits = durability == Durability::at_sync && condition.kind == Condition::Kind::none;
  if (!waits) unsynced_.erase(std::string(name));
  (waits ? unsynced_ : objects_).insert_or_assign(std::string(name), std::move(object));
  return {};
}

Result<Bytes> MemoryStore::get(std::string_view name) {
  TRY(check_object_name(name));
  MutexLock lock(mutex_);
  const auto at = objects_.find(name);
  if (at == objects_.end()) return missing(name);
  return at->second.bytes;
}

Result<Bytes> MemoryStore::get_range(std::string_view name, std::uint64_t offset,
                                     std::uint64_t length) {
  TRY(check_object_name(name));
  MutexLock lock(mutex_);
  const auto at = objects_.find(name);
  if (at == objects_.end()) return missing(name);
  const ByteView bytes = at->second.bytes;
  if (offset > bytes.size() || length > bytes.size() - offset)
    return fail(ErrorCode::corrupt, fmt::format("{} has {} bytes, {} from {} were asked for", name,
                                                bytes.size(), length, offset));
  return to_bytes(bytes.subspan(offset, length));
}

Result<ObjectInfo> MemoryStore::stat(std::string_view name) {
  TRY(check_object_name(name));
  MutexLock lock(mutex_);
  const auto at = objects_.find(name);
  if (at == objects_.end()) return missing(name);
  const Object& object = at->second;
  return ObjectInfo{at->first, object.bytes.size(), object.modified,
                    fmt::to_string(object.version)};
}

Result<void> MemoryStore::list(std::string_view prefix, const Visitor& visit) {
  TRY(check_prefix(prefix));
  std::vector<ObjectInfo> found;  // the visitor may call the store
  {
    MutexLock lock(mutex_);
    for (auto at = objects_.lower_bound(prefix);
         at != objects_.end() && at->first.starts_with(prefix); ++at)
      found.push_back({at->first, at->second.bytes.size(), at->second.modified, {}});
  }
  for (const auto& object : found) TRY(visit(object));
  return {};
}

Result<void> MemoryStore::remove(std::string_view name) {
  TRY(check_object_name(name));
  MutexLock lock(mutex_);
  objects_.erase(std::string(name));
  unsynced_.erase(std::string(name));
  return {};
}

Result<void> MemoryStore::sync() {
  MutexLock lock(mutex_);
  for (auto& [name, object] : unsynced_) objects_.insert_or_assign(name, std::move(object));
  unsynced_.clear();
  return {};
}

void MemoryStore::drop_unsynced() {
  MutexLock lock(mutex_);
  unsynced_.clear();
}

}  // namespace holdfast::store
