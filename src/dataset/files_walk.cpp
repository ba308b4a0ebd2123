#include "dataset/files_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "dataset/files_metadata.hpp"

namespace holdfast::dataset {
namespace {

constexpr std::size_t listing_buffer_bytes = 128 * 1024;

// The names of one directory in one piece of memory, sorted by raw bytes.
class NameList {
 public:
  static Result<NameList> read(int directory) {
    NameList list;
    alignas(dirent64) thread_local std::array<char, listing_buffer_bytes> buffer;
    while (true) {
      const auto got = ::getdents64(directory, buffer.data(), buffer.size());
      if (got < 0) return fail_errno("list", errno);
      if (got == 0) break;
      list.take(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
      if (list.bytes_.size() > directory_names_bytes_max)
        return fail(ErrorCode::limit_exceeded,
                    fmt::format("the names of a directory have more than {} bytes",
                                directory_names_bytes_max));
    }
    list.sort();
    return list;
  }

  const std::vector<std::string_view>& names() const { return names_; }

 private:
  void take(std::string_view records) {
    while (!records.empty()) {
      const auto* record = reinterpret_cast<const dirent64*>(records.data());
      const std::string_view name(record->d_name);
      records.remove_prefix(record->d_reclen);
      if (name == "." || name == "..") continue;
      append(bytes_, as_bytes(name));
      bytes_.push_back(0);
    }
  }

  void sort() {
    const auto all = as_text(bytes_);
    for (std::size_t at = 0; at < all.size();) {
      const auto end = all.find('\0', at);
      names_.push_back(all.substr(at, end - at));
      at = end + 1;
    }
    std::sort(names_.begin(), names_.end());
  }

  Bytes bytes_;  // on the heap even when small: views into it survive a move
  std::vector<std::string_view> names_;
};

Fd open_directory(int parent, const std::string& name) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd fd(::openat(parent, name.c_str(), flags | O_NOATIME));
  if (!fd.is_open() && errno == EPERM) fd = Fd(::openat(parent, name.c_str(), flags));
  return fd;
}

std::uint64_t mount_of(int directory, const char* name) {
  struct statx status{};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
  if (::statx(directory, name, flags, STATX_MNT_ID, &status) != 0) return 0;
  return status.stx_mnt_id;
}

class Walker {
 public:
  Walker(const WalkOptions& options, WalkVisitor& visitor) : options_(options), visitor_(visitor) {
    OpenDirectory here;
    here.fd = current_directory;
    here_ = std::make_shared<const OpenDirectory>(std::move(here));
  }

  Result<void> walk_node(const std::string& name, const TargetNode& node) {
    if (!node.source.empty()) return walk_target(name, node);
    entry_ = {};
    entry_.kind = FileKind::directory;
    entry_.name = name;
    if (!node.facts_path.empty()) read_virtual_facts(node.facts_path);
    TRY(visitor_.enter({entry_, name.empty() ? none_ : here_, node.facts_path, node.facts_path}));
    for (const auto& [child_name, child] : node.children) TRY(walk_node(child_name, child));
    return visitor_.leave();
  }

 private:
  void read_virtual_facts(const std::string& path) {
    const auto read = read_facts(current_directory, path, entry_, LinkPolicy::follow);
    entry_.kind = FileKind::directory;
    if (!read.has_value()) visitor_.unreadable(path, read.error());
  }

  Result<void> walk_target(const std::string& name, const TargetNode& node) {
    auto path = TRY(absolute_path(node.source));
    const auto anchor = TRY(absolute_path(node.file_system_of));
    path_ = std::move(path);
    relative_from_ = anchor.size() + (anchor == "/" ? 0 : 1);
    const auto slash = node.source.rfind('/');
    const auto directory = slash == std::string::npos ? "."
                           : slash == 0               ? "/"
                                                      : node.source.substr(0, slash);
    OpenDirectory parent;
    parent.owned = Fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const int cause = errno;
    parent.fd = parent.owned.get();
    parent.path = directory;
    Found found{std::make_shared<const OpenDirectory>(std::move(parent)),
                node.source.substr(slash == std::string::npos ? 0 : slash + 1), name, 0};
    if (!found.parent->owned.is_open()) {
      visitor_.unreadable(path_, fail_errno("open " + directory, cause).value());
      return {};
    }
    const auto read = read_facts(found.parent->fd, found.open_name, entry_);
    if (!read.has_value()) {
      visitor_.unreadable(path_, read.error());
      return {};
    }
    device_ = entry_.device_id;
    FileEntry anchor_entry;
    if (node.file_system_of != node.source &&
        read_facts(current_directory, node.file_system_of, anchor_entry, LinkPolicy::follow)
            .has_value())
      device_ = anchor_entry.device_id;
    return walk_known(found);
  }

  struct Found {
    DirectoryHandle parent;
    std::string open_name;
    std::string tree_name;
    std::size_t depth = 0;
  };

  // entry_ holds the facts of what path_ names.
  Result<void> walk_known(const Found& found) {
    entry_.name = found.tree_name;
    if (entry_.kind == FileKind::socket) return {};
    const auto reason = options_.exclude.judge(path_to_match(), entry_);
    if (reason != ExcludeReason::none) {
      visitor_.excluded(path_, reason);
      return {};
    }
    const bool crosses = crosses_file_system(found);
    if (crosses) visitor_.excluded(path_, ExcludeReason::other_file_system);
    if (entry_.kind == FileKind::directory)
      return crosses ? walk_mount_point(found) : walk_directory(found);
    if (crosses) return {};
    return visitor_.found({entry_, found.parent, found.open_name, path_});
  }

  bool crosses_file_system(const Found& found) const {
    if (options_.file_systems == FileSystems::all || entry_.device_id == device_) return false;
    if (entry_.kind == FileKind::directory) return true;
    // Some layered file systems number files and directories apart: only a mount is a border.
    return mount_of(found.parent->fd, found.open_name.c_str()) != mount_of(found.parent->fd, "");
  }

  // The place of a mount is kept, as an empty directory, so that a restored system can mount again.
  Result<void> walk_mount_point(const Found& found) {
    TRY(visitor_.enter({entry_, found.parent, found.open_name, path_}));
    return visitor_.leave();
  }

  Result<void> walk_directory(const Found& found) {
    if (found.depth >= directory_depth_max) {
      visitor_.unreadable(path_,
                          Error{ErrorCode::limit_exceeded,
                                fmt::format("more than {} directories deep", directory_depth_max),
                                {},
                                {}});
      return {};
    }
    OpenDirectory opened;
    opened.owned = open_directory(found.parent->fd, found.open_name);
    const int cause = errno;
    opened.fd = opened.owned.get();
    opened.path = path_;
    if (!opened.owned.is_open()) {
      if (cause != ENOENT) visitor_.unreadable(path_, fail_errno("open", cause).value());
      return {};
    }
    const auto list = NameList::read(opened.fd);
    if (!list.has_value()) {
      visitor_.unreadable(path_, list.error());
      return {};
    }
    TRY(visitor_.enter({entry_, found.parent, found.open_name, path_}));
    const auto self = std::make_shared<const OpenDirectory>(std::move(opened));
    TRY(walk_names(self, list->names(), found.depth + 1));
    return visitor_.leave();
  }

  Result<void> walk_names(const DirectoryHandle& self, const std::vector<std::string_view>& names,
                          std::size_t depth) {
    const auto marker = options_.exclude.marker_in(self->fd, names);
    Found found{self, {}, {}, depth};
    const auto path_bytes = path_.size();
    for (const auto name : names) {
      found.open_name.assign(name);
      found.tree_name.assign(name);
      if (path_ != "/") path_ += '/';
      path_ += name;
      if (!marker.empty() && name != marker)
        visitor_.excluded(path_, ExcludeReason::marked);
      else
        TRY(walk_name(found));
      path_.resize(path_bytes);
    }
    return {};
  }

  Result<void> walk_name(const Found& found) {
    const auto read = read_facts(found.parent->fd, found.open_name, entry_);
    if (read.has_value()) return walk_known(found);
    // What vanishes between listing and looking was simply deleted.
    if (read.error().code != ErrorCode::not_found) visitor_.unreadable(path_, read.error());
    return {};
  }

  PathToMatch path_to_match() const {
    const std::string_view absolute = std::string_view(path_).substr(1);
    const auto relative = path_.size() > relative_from_
                              ? std::string_view(path_).substr(relative_from_)
                              : absolute.substr(absolute.rfind('/') + 1);
    return {relative, absolute,
            entry_.kind == FileKind::directory ? EntryShape::directory : EntryShape::other};
  }

  const WalkOptions& options_;
  WalkVisitor& visitor_;
  DirectoryHandle here_;
  const DirectoryHandle none_;
  FileEntry entry_;  // one, reused: a walk of millions of entries allocates for none
  std::string path_;
  std::size_t relative_from_ = 0;
  std::uint64_t device_ = 0;
};

}  // namespace

Result<void> walk_targets(const TargetTree& tree, const WalkOptions& options,
                          WalkVisitor& visitor) {
  Walker walker(options, visitor);
  return walker.walk_node({}, tree.root);
}

void raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace holdfast::dataset
