#pragma once
// Names of a repository's objects in its store (docs/repository_format.md A1, A12).
#include <functional>
#include <optional>

#include "repo/ids.hpp"
#include "store/store.hpp"

namespace holdfast::repo {

constexpr std::string_view config_name = "config";
constexpr std::string_view packs_prefix = "data/";
constexpr std::string_view keys_prefix = "keys/";
constexpr std::string_view locks_prefix = "locks/";
constexpr std::string_view snapshots_prefix = "snapshots/";
constexpr std::string_view indexes_prefix = "index/";

std::string object_name(const PackId& id);  // "data/ab/abcd…"
std::string object_name(const KeyId& id);
std::string object_name(const LockId& id);
std::string object_name(const SnapshotId& id);
std::string object_name(const IndexId& id);

// The id at the end of an object's name; nothing when that is not 64 hex digits: such objects are
// not the format's, and readers ignore them.
std::optional<std::array<std::uint8_t, 32>> id_in_name(std::string_view object_name);

// Every id below a prefix, in no order; the visitor also gets the size and the time of the object.
template <class IdType>
Result<void> list_ids(
    store::Store& store, std::string_view prefix,
    const std::function<Result<void>(const IdType&, const store::ObjectInfo&)>& visit) {
  return store.list(prefix, [&](const store::ObjectInfo& object) -> Result<void> {
    const auto id = id_in_name(object.name);
    if (!id) return {};
    return visit(IdType{*id}, object);
  });
}
template <class IdType>
Result<std::vector<IdType>> list_ids(store::Store& store, std::string_view prefix) {
  std::vector<IdType> ids;
  TRY(list_ids<IdType>(store, prefix, [&](const IdType& id, const auto&) -> Result<void> {
    ids.push_back(id);
    return {};
  }));
  return ids;
}

}  // namespace holdfast::repo
