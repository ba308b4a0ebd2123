#pragma once
// From what the file system says about an entry to a node of a tree (docs/repository_format.md A9).
#include "base/clock.hpp"
#include "base/time_text.hpp"
#include "dataset/files_metadata.hpp"
#include "repo/node.hpp"

namespace holdfast::backup {

// Sets all but content, size, subtree, link target and attributes. atime is stored as mtime, so
// that reading a file does not change its tree.
void set_facts(repo::Node& node, const dataset::FileEntry& entry, dataset::OwnerNames& owners,
               TimeOffset offset);
repo::Node to_node(const dataset::FileEntry& entry, dataset::OwnerNames& owners, TimeOffset offset);
void take_details(repo::Node& node, dataset::FileEntry&& details);

// What the parent snapshot's run could have missed: a file changed after it was read but within
// one tick of the file system's clock has the same times. Times in here decide nothing.
struct UncertainTimes {
  WallTime begin{}, end{};
  bool contains(const dataset::FileTime& time) const;
};

// When a file counts as unchanged: always by size and mtime, and by these.
struct ChangeDetection {
  bool by_ctime = true;
  bool by_inode = true;  // off for file systems that number anew at each mount
};

enum class Change : std::uint8_t { none, unsure, changed };
// Whether the content of a file is still that of the node.
Change content_change(const repo::Node& stored, const dataset::FileEntry& found,
                      const ChangeDetection& detection, const UncertainTimes& uncertain);
// Whether link target and attributes are still those of the node.
bool same_details(const repo::Node& stored, const dataset::FileEntry& found);

}  // namespace holdfast::backup
