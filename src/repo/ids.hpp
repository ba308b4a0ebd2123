#pragma once
// The kinds of names in a repository; all are SHA-256, none is interchangeable.
#include "base/id.hpp"

namespace holdfast::repo {

using BlobId = Id<struct BlobIdTag>;          // SHA-256 of a blob's plaintext
using PackId = Id<struct PackIdTag>;          // SHA-256 of the stored pack file
using SnapshotId = Id<struct SnapshotIdTag>;  // SHA-256 of the stored (sealed) snapshot file
using IndexId = Id<struct IndexIdTag>;        // SHA-256 of the stored index file
using KeyId = Id<struct KeyIdTag>;            // SHA-256 of the key file's JSON
using LockId = Id<struct LockIdTag>;

enum class BlobType : std::uint8_t { data = 0, tree = 1 };

// A blob is the pair: the same bytes as data and as tree are two blobs.
struct BlobHandle {
  BlobType type = BlobType::data;
  BlobId id;
  friend auto operator<=>(const BlobHandle&, const BlobHandle&) = default;
};

}  // namespace holdfast::repo
