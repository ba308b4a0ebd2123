#pragma once
// The target side of a restore: makes entries below one directory and never outside of it,
// whatever a hostile tree says and whatever happens to the target meanwhile. Every path is resolved
// with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS (or component by component with O_NOFOLLOW).
//
// Files appear under their name only when complete: they are written beside it under a temporary
// name derived from path and content, which a later run finds again.
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/file.hpp"
#include "dataset/files_entry.hpp"

namespace holdfast::dataset {

constexpr std::size_t open_directories_max = 256;

// What stands at a name now.
struct ExistingEntry {
  FileEntry facts;  // with link target, without attributes
};

// What was not possible but does not make the entry useless: owner, attribute, device.
struct RestoreWarning {
  std::string path;
  std::string message;
};

// One thread.
class RestoreDirectory {
 public:
  // Makes the directory (and its parents) when missing; then holds it open.
  static Result<RestoreDirectory> open(const std::string& path);

  const std::string& path() const { return path_; }
  bool was_empty() const { return was_empty_; }

  // `relative` is a path of valid names below the target; empty means the target itself.
  // Directory handles are cached, at most open_directories_max at a time.
  Result<int> directory(const std::string& relative);

  Result<std::optional<ExistingEntry>> look_at(const std::string& relative);
  Result<void> make_directory(const std::string& relative);  // fine if it is one already
  Result<void> remove_entry(const std::string& relative);    // not a directory that has entries

  // A temporary file beside `relative`, kept when a previous run left one (then not empty).
  struct PartialFile {
    Fd fd;
    std::string temporary;  // relative path
    std::uint64_t kept_bytes = 0;
  };
  Result<PartialFile> open_partial(const std::string& relative, std::uint64_t content_hash);
  Result<void> publish_partial(const std::string& temporary, const std::string& relative,
                               const FileEntry* replaces);
  Result<Fd> open_existing(const std::string& relative);

  // Atomically: made under a temporary name and renamed. Devices and fifos included.
  Result<void> make_special(const std::string& relative, const FileEntry& entry);
  Result<void> make_hard_link(const std::string& existing, const std::string& relative);

  // Owner, attributes, permissions (after the owner, which clears set-user-id), times.
  Result<void> apply_metadata(int fd, const FileEntry& entry, std::vector<RestoreWarning>& warnings);
  Result<void> apply_metadata(const std::string& relative, const FileEntry& entry,
                              std::vector<RestoreWarning>& warnings);

 private:
  Fd root_;
  std::string path_;
  bool was_empty_ = false;
};

}  // namespace holdfast::dataset
