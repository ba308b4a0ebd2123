#pragma once
// Reads what the file system says about one entry: facts by one statx, details (link target,
// extended attributes) by more calls that an unchanged entry does not need.
//
// Names are single components below an open directory, or any path with `current_directory`.
// A symlink is never followed unless asked.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.hpp"
#include "dataset/files_entry.hpp"

namespace holdfast::dataset {

constexpr std::size_t attribute_bytes_max = 64 * 1024;       // XATTR_SIZE_MAX of Linux
constexpr std::size_t attribute_list_bytes_max = 64 * 1024;  // XATTR_LIST_MAX
extern const int current_directory;                          // AT_FDCWD

enum class LinkPolicy : std::uint8_t { keep, follow };

// Replaces all but name, link_target and attributes. `not_found` when the entry vanished.
Result<void> read_facts(int directory, const std::string& name, FileEntry& entry,
                        LinkPolicy links = LinkPolicy::keep);
Result<void> read_facts_of(int fd, FileEntry& entry);

// The target of a symlink and the attributes of any entry. An attribute that can not be read is
// left out and named in `warnings`; a link target that can not be read is an error.
Result<void> read_details(int directory, const std::string& name, FileEntry& entry,
                          std::vector<std::string>& warnings);
// The attributes of an open file.
void read_attributes_of(int fd, FileEntry& entry, std::vector<std::string>& warnings);

// Names of users and groups, each looked up once. Not thread-safe. Empty when unknown.
class OwnerNames {
 public:
  const std::string& user(std::uint32_t uid);
  const std::string& group(std::uint32_t gid);

 private:
  std::unordered_map<std::uint32_t, std::string> users_;
  std::unordered_map<std::uint32_t, std::string> groups_;
};

}  // namespace holdfast::dataset
