#pragma once
// Blobs of one thread that stand sealed in their rooms of a pack and are still to be verified:
// opened, decompressed and hashed again (docs/repository_format.md A15). They wait for each other,
// because hashing several at once costs half of hashing them one by one (sha256.hpp).
#include <vector>

#include "repo/compress.hpp"
#include "repo/packer.hpp"

namespace holdfast::repo {

// So many blobs, or so many bytes of plaintext, are enough to verify at once.
constexpr std::size_t unverified_blobs_max = 64;
constexpr std::size_t unverified_bytes_max = std::size_t{4} << 20;

// One thread at a time. While blobs are in here their rooms are out: settle before anything that
// waits for a pack (Packer::reserve, Packer::flush).
class UnverifiedBlobs {
 public:
  void add(Packer& packer, Packer::Room room, const PackedBlob& blob);
  bool is_full() const;

  // Verifies all and commits their rooms. Errors: corrupt (faulty memory or processor; all rooms
  // are abandoned), those of the store for a blob that has a pack of its own.
  Result<void> settle(const MasterKey& key);

 private:
  struct Waiting {
    Packer* packer;
    Packer::Room room;
    PackedBlob blob;
  };

  Result<void> verify(const MasterKey& key);
  Result<void> open(const MasterKey& key, const Waiting& waiting, MutableByteView plain);
  Result<void> commit();
  void abandon(const Error& error);

  std::vector<Waiting> waiting_;
  std::size_t plain_bytes_ = 0;
  Decompressor decompressor_;
  Bytes frame_;
  Bytes plain_;
};

}  // namespace holdfast::repo
