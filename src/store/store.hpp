#pragma once
// Where bytes live: one narrow contract for a local directory, memory, later S3 and Google Cloud
// Storage. Objects are whole: no rename, no append, no partial write is ever visible.
//
// What every store guarantees (tests/contract/store_contract.hpp checks it for each):
//  - put is atomic: a reader sees the old object, the new one, or none; never a part.
//  - Names are relative paths of [a-z0-9-_.] components (object_name.hpp), "data/ab/abcd…"; the
//    repository lays them out. Other names are `refused`.
//  - After put(.., Durability::immediate) or after sync() the object survives a power cut.
//  - Before sync(), an object put with Durability::at_sync may be lost, and may be invisible; a
//    store should not leave it torn under its own name, but what no barrier followed proves
//    nothing and readers must not build on it.
//  - A removal survives a power cut after sync(); before, the object may come back.
//  - A put with a condition is carried out at once, whatever the durability asked for.
//  - get after a durable put sees it. list may lag behind by listing_lag(), both ways.
//  - Errors: not_found, exists, conflict are permanent; store_unreachable and io may be retried
//    (retry_class_of). Any call may be repeated: put of the same bytes under the same name succeeds
//    unless the condition forbids it. A failed sync() must not be taken for success when repeated:
//    a store that lost data keeps failing.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace holdfast::store {

enum class Durability : std::uint8_t { immediate, at_sync };

// What must hold for a put to happen; otherwise `exists` or `conflict` and nothing is changed.
struct Condition {
  enum class Kind : std::uint8_t { none, if_absent, if_version };
  Kind kind = Kind::none;
  std::string version;  // for if_version: what stat() said

  static Condition none() { return {}; }
  static Condition if_absent() { return {Kind::if_absent, {}}; }
  static Condition if_version(std::string version) {
    return {Kind::if_version, std::move(version)};
  }
};

struct ObjectInfo {
  std::string name;  // the full name, "data/ab/abcd…"
  std::uint64_t bytes = 0;
  WallTime modified{};
  std::string version;  // opaque; changes with every put (an ETag). Empty in list().
};

// Thread-safe.
class Store {
 public:
  virtual ~Store() = default;

  virtual Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                           const Condition& condition = Condition::none()) = 0;
  virtual Result<Bytes> get(std::string_view name) = 0;
  // Exactly `length` bytes from `offset`; `corrupt` when the object is shorter.
  virtual Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                                  std::uint64_t length) = 0;
  virtual Result<ObjectInfo> stat(std::string_view name) = 0;
  // Every object below `prefix` ("data/", "locks/", "" for all), in no order. A missing prefix is
  // an empty list. The visitor's error ends the listing and is returned.
  using Visitor = std::function<Result<void>(const ObjectInfo&)>;
  virtual Result<void> list(std::string_view prefix, const Visitor& visit) = 0;
  // Removing what is not there succeeds.
  virtual Result<void> remove(std::string_view name) = 0;
  // Barrier: every put that returned before is durable and visible when this returns.
  virtual Result<void> sync() = 0;

  virtual Duration listing_lag() const { return Duration::zero(); }
  virtual std::string describe() const = 0;  // for messages: "directory /backups/shop"
};

}  // namespace holdfast::store
