#pragma once
// Reads one pack file from the first byte to the last and says which parts are not what they were.
#include <functional>

#include "repo/repository.hpp"

namespace holdfast::verify {

// Blobs are read in ranges of about this size; a larger blob is a range of its own.
constexpr std::uint64_t pack_range_bytes = std::uint64_t{16} << 20;

enum class PackPart : std::uint8_t { blob, header, length_field, whole };

struct BadPart {
  PackPart part = PackPart::whole;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::optional<repo::BlobHandle> blob;  // for PackPart::blob
  std::string message;
};

struct PackFile {
  repo::PackId id;
  std::uint64_t bytes = 0;
};

// What the header of an intact pack with these blobs looks like from outside.
std::uint64_t pack_bytes_of(const std::vector<repo::PackedBlob>& blobs);

// Which of header and length field is damaged, when the header of a pack can not be read although
// its blobs are known from the index.
Result<BadPart> locate_header_damage(const repo::Repository& repository, const PackFile& pack,
                                     const std::vector<repo::PackedBlob>& blobs);

// One thread at a time; make one per worker. The repository must outlive it.
class PackCheck {
 public:
  explicit PackCheck(const repo::Repository& repository) : repository_(repository) {}

  // Asked for when the header is damaged: what the index says about the pack; empty if nothing.
  using AskIndex = std::function<std::vector<repo::PackedBlob>()>;
  // Errors: only those that are not damage (repo::is_damage).
  Result<std::vector<BadPart>> check(const PackFile& pack, const AskIndex& ask_index);

  std::uint64_t blobs_checked() const { return blobs_checked_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  Result<std::vector<repo::PackedBlob>> find_blobs(const PackFile& pack, const AskIndex& ask_index);
  Result<void> check_blobs(const PackFile& pack, std::span<const repo::PackedBlob> blobs);
  Result<void> check_range(const PackFile& pack, std::span<const repo::PackedBlob> blobs);
  Result<void> check_alone(const PackFile& pack, const repo::PackedBlob& blob);
  Result<void> hash_rest(const PackFile& pack);
  void check_blob(const repo::PackedBlob& blob, MutableByteView sealed);
  void bad_blob(const repo::PackedBlob& blob, std::string_view what);

  const repo::Repository& repository_;
  repo::Decompressor decompressor_;
  repo::Sha256Stream hash_;
  Bytes plain_;
  std::uint64_t hashed_ = 0;  // bytes of the pack that went into hash_
  std::vector<BadPart> bad_;
  std::uint64_t blobs_checked_ = 0;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace holdfast::verify
