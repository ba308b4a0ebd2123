#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"
#include "repo/repository.hpp"

namespace holdfast::repo {
namespace {

bool is_older(const StoredSnapshot& left, const StoredSnapshot& right) {
  const auto key = [](const StoredSnapshot& stored) {
    return std::tuple(stored.snapshot.time.seconds, stored.snapshot.time.nanoseconds, stored.id);
  };
  return key(left) < key(right);
}

tl::unexpected<Error> ambiguous(std::string_view prefix, const std::vector<SnapshotId>& ids) {
  constexpr std::size_t named_max = 8;
  std::vector<std::string> names;
  for (std::size_t at = 0; at < std::min(ids.size(), named_max); ++at)
    names.push_back(ids[at].hex().substr(0, std::max<std::size_t>(8, prefix.size() + 4)));
  return fail(ErrorCode::conflict,
              fmt::format("{} could be any of {} snapshots: {}{}", prefix, ids.size(),
                          fmt::join(names, ", "), ids.size() > named_max ? ", …" : ""));
}

}  // namespace

Result<StoredSnapshot> Repository::load_snapshot(const SnapshotId& id) const {
  const auto doing = fmt::format("reading snapshot {}", id.short_hex());
  const auto json = TRY(load_unpacked(id).while_doing(doing));
  if (json.empty())
    return fail(ErrorCode::corrupt, fmt::format("snapshot {} is empty", id.short_hex()));
  auto snapshot = TRY(decode_snapshot(json).while_doing(doing));
  return StoredSnapshot{id, std::move(snapshot)};
}

Result<SnapshotListing> Repository::list_snapshots() const {
  const auto ids = TRY(list_ids<SnapshotId>(*store_, snapshots_prefix));
  SnapshotListing listing;
  for (const auto& id : ids) {
    auto loaded = load_snapshot(id);
    if (loaded.has_value()) {
      listing.snapshots.push_back(std::move(*loaded));
      continue;
    }
    const auto code = loaded.error().code;
    if (code == ErrorCode::not_found) continue;  // removed since it was listed
    if (code != ErrorCode::corrupt && code != ErrorCode::malformed &&
        code != ErrorCode::limit_exceeded)
      return fail(std::move(loaded.error()));
    listing.unreadable.push_back(std::move(loaded.error()));
  }
  std::sort(listing.snapshots.begin(), listing.snapshots.end(), is_older);
  return listing;
}

Result<std::vector<StoredSnapshot>> Repository::snapshots() const {
  auto listing = TRY(list_snapshots());
  for (const auto& error : listing.unreadable) context_->log.warn(describe(error));
  return std::move(listing.snapshots);
}

Result<StoredSnapshot> Repository::find_snapshot(std::string_view text) const {
  if (text == "latest") {
    auto all = TRY(snapshots());
    std::erase_if(all, [](const auto& stored) { return is_companion(stored.snapshot); });
    if (all.empty()) return fail(ErrorCode::not_found, "there is no snapshot yet");
    return std::move(all.back());
  }
  const auto ids = TRY(list_ids<SnapshotId>(*store_, snapshots_prefix));
  std::vector<SnapshotId> matches;
  for (const auto& id : ids)
    if (!text.empty() && id.hex().starts_with(text)) matches.push_back(id);
  if (matches.empty())
    return fail(ErrorCode::not_found, fmt::format("no snapshot begins with \"{}\"", text));
  if (matches.size() > 1) return ambiguous(text, matches);
  return load_snapshot(matches.front());
}

}  // namespace holdfast::repo
