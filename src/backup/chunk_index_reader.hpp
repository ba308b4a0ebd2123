#pragma once
// The chunks of one collection of a stored base, one after the other, as its chunk index lists them
// (docs/mongodump_format.md 3).
#include <optional>

#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_stream.hpp"
#include "repo/blob_reader.hpp"

namespace holdfast::backup {

// Owns the bytes of its entry.
class StoredChunk {
 public:
  // Error: malformed.
  static Result<StoredChunk> decode(ByteView raw);

  ByteView raw() const { return raw_; }
  repo::BlobId blob() const { return blob_; }
  ByteView first_key() const { return first_key_; }  // K(_id); empty: the document has none
  std::uint64_t count() const { return count_; }
  std::uint64_t bytes() const { return bytes_; }
  const bson::Digest256& digest() const { return digest_; }

 private:
  Bytes raw_;
  repo::BlobId blob_;
  Bytes first_key_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  bson::Digest256 digest_;
};

// One thread. The repository must outlive it, with its index loaded. Holds one blob at a time.
class ChunkIndexReader {
 public:
  // `blobs`: the content of the index's file.
  ChunkIndexReader(const repo::Repository& repository, std::vector<repo::BlobId> blobs,
                   std::string name)
      : reader_(repository), blobs_(std::move(blobs)), name_(std::move(name)) {}

  // Nothing at the end. Errors: those of reading, malformed.
  Result<std::optional<StoredChunk>> next();

 private:
  repo::BlobReader reader_;
  std::vector<repo::BlobId> blobs_;
  std::string name_;
  std::size_t at_ = 0;
  std::optional<dataset::BsonBytes> entries_;
};

}  // namespace holdfast::backup
