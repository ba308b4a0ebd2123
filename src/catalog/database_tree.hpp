#pragma once
// The tree of a snapshot that is made of files which exist nowhere else: nodes are collected by
// path and stored at the end.
#include <map>
#include <string>

#include "repo/writer.hpp"

namespace holdfast::catalog {

// One thread. All entries get the same time and belong to root, so that equal content gives equal
// trees.
class DatabaseTree {
 public:
  explicit DatabaseTree(repo::NodeTime time) : time_(time) {}

  // REQUIRES: no component is empty, "." or ".."; no file is a directory of another.
  void add_file(std::string_view path, std::vector<repo::BlobId> content, std::uint64_t bytes);
  // A file of one blob, or of none when it is empty.
  Result<void> add_text(repo::Writer& writer, std::string_view path, ByteView text);

  // Stores all trees; the root's id.
  Result<repo::BlobId> save(repo::Writer& writer) const;

  std::uint64_t file_count() const { return file_count_; }
  std::uint64_t byte_count() const { return byte_count_; }

 private:
  struct Directory {
    std::map<std::string, repo::Node> files;
    std::map<std::string, Directory> directories;
  };

  Result<repo::BlobId> save(repo::Writer& writer, const Directory& directory) const;

  repo::NodeTime time_;
  Directory root_;
  std::uint64_t file_count_ = 0;
  std::uint64_t byte_count_ = 0;
};

}  // namespace holdfast::catalog
