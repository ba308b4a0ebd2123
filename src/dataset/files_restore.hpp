#pragma once
// The target side of a restore: makes entries below one directory and never outside of it,
// whatever a hostile tree says and whatever happens to the target meanwhile. Every directory is
// resolved with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS (or name by name with O_NOFOLLOW), and every
// entry is made by name in its open directory.
//
// Entries appear under their name only when complete: they are made beside it under a temporary
// name derived from name and content, which a later run finds again.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"
#include "base/mutex.hpp"
#include "dataset/files_entry.hpp"

namespace holdfast::dataset {

constexpr std::size_t open_targets_max = 256;

// Shared by workers that still write into the directory when it leaves the cache.
using TargetHandle = std::shared_ptr<const Fd>;

// A name in an open directory: where an entry is to be made.
struct TargetPlace {
  TargetHandle directory;
  std::string name;
};

// A single component that can not lead elsewhere: not empty, `.`, `..`, no slash, no NUL.
bool is_safe_name(std::string_view name);

// Thread-safe.
class RestoreDirectory {
 public:
  // Makes the directory and its parents when missing, then holds it open.
  static Result<std::unique_ptr<RestoreDirectory>> open(const std::string& path);
  RestoreDirectory(Fd root, std::string path);

  const std::string& path() const { return path_; }
  // New entries may inherit attributes that the snapshot does not have.
  bool has_default_acl() const { return has_default_acl_; }
  std::uint64_t device_id() const { return device_id_; }

  // `relative` is made of safe names; empty is the target itself. `refused` when a component is a
  // symlink or the path would leave the target. At most open_targets_max handles are cached.
  Result<TargetHandle> directory(const std::string& relative);
  Result<TargetPlace> place(const std::string& relative);

 private:
  const std::string path_;
  const TargetHandle root_;
  bool has_default_acl_ = false;
  std::uint64_t device_id_ = 0;
  Mutex mutex_;
  std::unordered_map<std::string, TargetHandle> cache_ GUARDED_BY(mutex_);
};

// What stands there now, with a symlink's target but without attributes.
Result<std::optional<FileEntry>> look_at(const TargetPlace& place);

enum class Made : std::uint8_t { created, existed };
// `exists` when something else stands there. Open to its owner until its metadata are applied.
Result<Made> make_directory(const TargetPlace& place);

// A file being written; `kept_bytes` is what an earlier run left in it, to be checked before use.
struct PartialFile {
  Fd fd;
  std::string temporary_name;
  std::uint64_t kept_bytes = 0;
};
Result<PartialFile> open_partial(const TargetPlace& place, std::uint64_t content_hash);
// A regular file that stands there already, for reading; `refused` for anything else.
Result<Fd> open_existing_file(const TargetPlace& place);

enum class Replace : std::uint8_t { no, yes };
// Gives the finished entry its name. `exists` with Replace::no when the name is taken meanwhile.
// A directory is never replaced.
Result<void> publish_entry(const TargetPlace& place, const std::string& temporary_name,
                           Replace replace);
void discard_partial(const TargetPlace& place, const std::string& temporary_name);

// A symlink, fifo or device under a temporary name, with metadata. `refused` when this user may
// not make devices. The temporary name.
Result<std::string> make_special(const TargetPlace& place, const FileEntry& entry,
                                 std::vector<std::string>& warnings);
Result<void> make_hard_link(const TargetPlace& existing, const TargetPlace& place, Replace replace);

// Attributes the file has but the snapshot does not: removed, or not looked for.
enum class Leftovers : std::uint8_t { ignore, remove };
// Owner, attributes, permissions (after the owner, whose change clears set-user-id), times. What is
// not permitted becomes a warning.
void apply_metadata(int fd, const FileEntry& entry, Leftovers leftovers,
                    std::vector<std::string>& warnings);
// For an entry that is opened only to be named (O_PATH): symlinks, devices, fifos.
Result<void> apply_metadata_at(const TargetPlace& place, const FileEntry& entry,
                               std::vector<std::string>& warnings);

// Writes all but aligned runs of zeros; in a file that was extended by truncation these are holes.
Result<void> write_sparsely(int fd, ByteView bytes, std::uint64_t offset);

}  // namespace holdfast::dataset
