#pragma once
// Blobs of one thread that stand sealed in their rooms of a pack and are still to be verified:
// opened, decompressed and hashed again (docs/repository_format.md A15). They wait for each other
// and for the ids of the next ones, because hashing several messages at once costs half of hashing
// them one by one (sha256.hpp).
#include <vector>

#include "repo/compress.hpp"
#include "repo/packer.hpp"

namespace holdfast::repo {

// Blobs whose ids are wanted next: hashed in the same go.
struct NextBlobs {
  std::span<const ByteView> plain;
  std::span<Digest> digests;  // as many
};

// One thread at a time. While blobs are in here their rooms are out: settle before anything that
// waits for a pack (Packer::reserve, Packer::flush).
class UnverifiedBlobs {
 public:
  void add(Packer& packer, Packer::Room room, const PackedBlob& blob);

  // Verifies all and commits their rooms; hashes `next` and what `packer` has to hash meanwhile.
  // Errors: corrupt (faulty memory or processor; all rooms are abandoned), those of the store for a
  // blob that has a pack of its own.
  Result<void> settle(const MasterKey& key, Packer& packer, const NextBlobs& next = {});

 private:
  struct Waiting {
    Packer* packer;
    Packer::Room room;
    PackedBlob blob;
  };

  Result<void> verify(const MasterKey& key, Packer& packer, const NextBlobs& next);
  Result<void> open(const MasterKey& key, const Waiting& waiting, MutableByteView plain);
  Result<void> commit();
  void abandon(const Error& error);

  std::vector<Waiting> waiting_;
  std::size_t plain_bytes_ = 0;
  Sha256Batch batch_;
  Decompressor decompressor_;
  Bytes frame_;
  Bytes plain_;
};

}  // namespace holdfast::repo
