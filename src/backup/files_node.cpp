#include "backup/files_node.hpp"

#include "repo/node_time.hpp"

namespace holdfast::backup {
namespace {

repo::NodeType type_of(dataset::FileKind kind) {
  using dataset::FileKind;
  switch (kind) {
    case FileKind::file:
      return repo::NodeType::file;
    case FileKind::directory:
      return repo::NodeType::dir;
    case FileKind::symlink:
      return repo::NodeType::symlink;
    case FileKind::block_device:
      return repo::NodeType::dev;
    case FileKind::char_device:
      return repo::NodeType::chardev;
    case FileKind::fifo:
      return repo::NodeType::fifo;
    case FileKind::socket:
      return repo::NodeType::socket;
  }
  return repo::NodeType::irregular;
}

bool same_time(const repo::NodeTime& stored, const dataset::FileTime& found) {
  return stored.seconds == found.seconds && stored.nanoseconds == found.nanoseconds;
}

bool counts_links(repo::NodeType type) {
  return type == repo::NodeType::file || type == repo::NodeType::symlink ||
         type == repo::NodeType::dev || type == repo::NodeType::chardev;
}

}  // namespace

void set_facts(repo::Node& node, const dataset::FileEntry& entry, dataset::OwnerNames& owners,
               TimeOffset offset) {
  node.name = entry.name;
  node.type = type_of(entry.kind);
  node.mode = dataset::go_mode_of(entry.kind, entry.permissions);
  node.mtime = repo::make_node_time(entry.mtime.seconds, entry.mtime.nanoseconds, offset);
  node.atime = node.mtime;
  node.ctime = repo::make_node_time(entry.ctime.seconds, entry.ctime.nanoseconds, offset);
  node.uid = entry.uid;
  node.gid = entry.gid;
  node.user = owners.user(entry.uid);
  node.group = owners.group(entry.gid);
  node.inode = entry.inode;
  node.device_id = entry.device_id;
  node.links = counts_links(node.type) ? entry.links : 0;
  const bool is_device = node.type == repo::NodeType::dev || node.type == repo::NodeType::chardev;
  node.device = is_device ? entry.device : 0;
  node.generic_attributes.clear();
  node.error.clear();
}

repo::Node to_node(const dataset::FileEntry& entry, dataset::OwnerNames& owners,
                   TimeOffset offset) {
  repo::Node node;
  set_facts(node, entry, owners, offset);
  return node;
}

void take_details(repo::Node& node, dataset::FileEntry&& details) {
  node.link_target = std::move(details.link_target);
  for (auto& attribute : details.attributes)
    node.extended_attributes.push_back({std::move(attribute.name), std::move(attribute.value)});
}

bool UncertainTimes::contains(const dataset::FileTime& time) const {
  const auto seconds_of = [](WallTime wall) {
    return std::chrono::floor<std::chrono::seconds>(wall).time_since_epoch().count();
  };
  if (time.seconds < seconds_of(begin) || time.seconds > seconds_of(end)) return false;
  const WallTime exact{std::chrono::seconds(time.seconds) +
                       std::chrono::nanoseconds(time.nanoseconds)};
  return begin <= exact && exact <= end;
}

Change content_change(const repo::Node& stored, const dataset::FileEntry& found,
                      const ChangeDetection& detection, const UncertainTimes& uncertain) {
  const bool same = stored.type == repo::NodeType::file && stored.has_content &&
                    stored.size == found.size && same_time(stored.mtime, found.mtime) &&
                    (!detection.by_ctime || same_time(stored.ctime, found.ctime)) &&
                    (!detection.by_inode || stored.inode == found.inode);
  if (!same) return Change::changed;
  return uncertain.contains(found.ctime) ? Change::unsure : Change::none;
}

bool same_details(const repo::Node& stored, const dataset::FileEntry& found) {
  return stored.type == type_of(found.kind) && stored.inode == found.inode &&
         same_time(stored.ctime, found.ctime);
}

}  // namespace holdfast::backup
