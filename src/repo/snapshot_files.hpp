#pragma once
// Reading single files of one snapshot by their path, for callers that know what they look for.
#include <map>

#include "repo/blob_reader.hpp"

namespace holdfast::repo {

// One thread. Trees that were looked at are kept. The repository must outlive it, with its index
// loaded.
class SnapshotFiles {
 public:
  SnapshotFiles(const Repository& repository, const BlobId& tree)
      : repository_(&repository), root_(tree) {}

  // "a/b/c.txt"; nothing if there is no such entry.
  Result<std::optional<Node>> find(std::string_view path);
  // A whole file. Errors: not_found, limit_exceeded above bytes_max, corrupt.
  Result<Bytes> read(std::string_view path, std::size_t bytes_max);

 private:
  Result<const std::vector<Node>*> tree(const BlobId& id);

  const Repository* repository_;
  BlobId root_;
  std::map<BlobId, std::vector<Node>> trees_;
};

}  // namespace holdfast::repo
