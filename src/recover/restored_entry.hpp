#pragma once
// From a node of a tree to what is to be made in a file system, and comparisons with what is there.
#include "dataset/files_restore.hpp"
#include "repo/index_run.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

// All but the name. Times that the node does not have are left alone when applied.
dataset::FileEntry to_entry(const repo::Node& node);

// One number for a list of contents; not collision-proof, used for names of temporary files and to
// tell apart files that claim to be the same inode.
std::uint64_t hash_of_content(const std::vector<repo::BlobId>& content);

// Where the blobs of a file are, in its order. Errors: not_found (one is in no index).
Result<std::vector<repo::IndexedBlob>> locate_content(const repo::Index& index,
                                                      const std::vector<repo::BlobId>& content);
std::uint64_t plain_bytes_of(const std::vector<repo::IndexedBlob>& blobs);

// Reads the file piece by piece: which pieces are what they should be.
Result<std::vector<bool>> compare_content(int fd, const std::vector<repo::IndexedBlob>& blobs);

}  // namespace holdfast::recover
