#pragma once
// Walks the targets of a backup in the order of the tree that it makes: raw name bytes ascending,
// every directory entered, listed and left. Symlinks are never followed below a target, every
// name is looked up in its open directory, and other file systems are not entered unless asked.
#include <memory>
#include <string>
#include <string_view>

#include "base/file.hpp"
#include "dataset/files_entry.hpp"
#include "dataset/files_exclude.hpp"
#include "dataset/files_targets.hpp"

namespace holdfast::dataset {

constexpr std::size_t directory_depth_max = 4000;
constexpr std::size_t directory_names_bytes_max = std::size_t{4} << 30;

// A directory held open so that its entries can be opened by name, whatever happens to its path.
struct OpenDirectory {
  Fd owned;
  int fd = -1;       // owned, or current_directory
  std::string path;  // absolute, for messages
};
// Shared: readers on other threads open files in it after the walk has left it.
using DirectoryHandle = std::shared_ptr<const OpenDirectory>;

// What the visitor sees; valid during the call only, but for `parent`.
struct FoundEntry {
  const FileEntry& entry;         // name: as in the tree; facts only, no details
  const DirectoryHandle& parent;  // null for the nameless root
  const std::string& open_name;   // its name in `parent`
  std::string_view path;          // absolute, for messages
};

class WalkVisitor {
 public:
  virtual ~WalkVisitor() = default;
  virtual Result<void> enter(const FoundEntry& directory) = 0;
  virtual Result<void> leave() = 0;
  virtual Result<void> found(const FoundEntry& entry) = 0;  // anything but a directory or socket
  // The entry is left out, the walk goes on. `not_found` only for a target.
  virtual void unreadable(std::string_view path, const Error& error) = 0;
  virtual void excluded(std::string_view path, ExcludeReason reason) = 0;
};

enum class FileSystems : std::uint8_t { one, all };

struct WalkOptions {
  FileSystems file_systems = FileSystems::one;
  ExcludeRules exclude;
};

// The visitor's error ends the walk and is returned; nothing else does.
Result<void> walk_targets(const TargetTree& tree, const WalkOptions& options, WalkVisitor& visitor);

// Lets this process hold as many directories open as the system allows.
void raise_open_files_limit();

}  // namespace holdfast::dataset
