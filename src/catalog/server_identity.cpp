#include "catalog/server_identity.hpp"

#include <fmt/format.h>

#include "catalog/recorded_segments.hpp"
#include "dataset/mongo_manifest.hpp"

namespace holdfast::catalog {

namespace {

constexpr std::string_view name_tag = "set=";
constexpr std::string_view id_tag = "set-id=";

bool differ(const std::string& left, const std::string& right) {
  return !left.empty() && !right.empty() && left != right;
}

std::string describe(const ServerIdentity& identity) {
  if (identity.set_id.empty()) return fmt::format("replica set '{}'", identity.set_name);
  return fmt::format("replica set '{}' (id {})", identity.set_name, identity.set_id);
}

}  // namespace

std::vector<std::string> identity_tags(const ServerIdentity& identity) {
  std::vector<std::string> tags;
  // A comma would end the tag in restic's lists.
  const bool is_plain = identity.set_name.find(',') == std::string::npos;
  if (!identity.set_name.empty() && is_plain)
    tags.push_back(std::string(name_tag) + identity.set_name);
  if (!identity.set_id.empty()) tags.push_back(std::string(id_tag) + identity.set_id);
  return tags;
}

ServerIdentity identity_of(const repo::Snapshot& snapshot) {
  ServerIdentity identity;
  for (const std::string& tag : snapshot.tags) {
    if (tag.starts_with(name_tag)) identity.set_name = tag.substr(name_tag.size());
    if (tag.starts_with(id_tag)) identity.set_id = tag.substr(id_tag.size());
  }
  return identity;
}

ServerIdentity recorded_identity(const std::vector<repo::StoredSnapshot>& snapshots,
                                 std::string_view dataset) {
  const std::string wanted = dataset::dataset_tag(dataset);
  ServerIdentity newest;
  WallTime newest_time{};
  for (const repo::StoredSnapshot& stored : snapshots) {
    if (!has_tag(stored.snapshot, wanted)) continue;
    const ServerIdentity identity = identity_of(stored.snapshot);
    const WallTime time = repo::to_wall_time(stored.snapshot.time);
    if (identity == ServerIdentity{} || time < newest_time) continue;
    newest = identity;
    newest_time = time;
  }
  return newest;
}

Result<void> check_identity(const ServerIdentity& recorded, const ServerIdentity& given,
                            std::string_view dataset, OtherServer other) {
  const bool is_other =
      differ(recorded.set_name, given.set_name) || differ(recorded.set_id, given.set_id);
  if (!is_other || other == OtherServer::accept) return {};
  return fail(ErrorCode::refused,
              fmt::format("dataset '{}' holds {}, and this server is of {}: give it a dataset of "
                          "its own, or --other-server to go on with it",
                          dataset, describe(recorded), describe(given)));
}

Result<std::vector<std::string>> checked_tags(const std::vector<repo::StoredSnapshot>& snapshots,
                                              const ServerIdentity& given, std::string_view dataset,
                                              OtherServer other) {
  TRY(check_identity(recorded_identity(snapshots, dataset), given, dataset, other));
  return identity_tags(given);
}

}  // namespace holdfast::catalog
