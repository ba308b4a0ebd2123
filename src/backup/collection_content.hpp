#pragma once
// The documents of one collection as blobs of the repository, and the index of these chunks.
#include "catalog/database_tree.hpp"
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_manifest.hpp"

namespace holdfast::backup {

// A file of a tree that grows blob by blob. One thread.
class BlobFile {
 public:
  explicit BlobFile(repo::Writer& writer) : writer_(writer) {}

  Result<repo::BlobId> append(ByteView plain);
  // A blob that the repository has.
  void append(const repo::BlobId& blob, std::uint64_t bytes);
  void add_to(catalog::DatabaseTree& tree, std::string_view path) {
    tree.add_file(path, std::move(content_), bytes_);
  }

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t new_count() const { return new_count_; }
  std::uint64_t count() const { return content_.size(); }

 private:
  repo::Writer& writer_;
  std::vector<repo::BlobId> content_;
  std::uint64_t bytes_ = 0;
  std::uint64_t new_count_ = 0;
};

// The seed of chunk boundaries in a repository.
std::uint64_t chunk_seed_of(const repo::Repository& repository);
dataset::ChunkLimits chunk_limits(std::uint64_t seed);

// Cuts documents, which come in the order in which they are kept, and stores the chunks. One
// thread; several may work with one Writer at once.
class ChunkWriter {
 public:
  // Takes an entry of the chunk index (mongo_chunk_index.hpp) for each chunk, in order.
  using OnChunk = std::function<Result<void>(ByteView entry)>;
  ChunkWriter(repo::Writer& writer, std::uint64_t seed, OnChunk on_chunk);
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // `key`: K(_id), or what else identifies the document.
  Result<void> add(ByteView document, ByteView key) { return chunker_.add(document, key); }
  Result<void> finish() { return chunker_.finish(); }
  // The next document begins a chunk, whatever came before.
  bool is_between_chunks() const { return chunker_.is_between_chunks(); }
  std::uint64_t new_count() const { return new_count_; }  // chunks the repository did not have

 private:
  Result<void> store(const dataset::Chunk& chunk);

  repo::Writer& writer_;
  OnChunk on_chunk_;
  dataset::DocumentChunker chunker_;
  std::uint64_t new_count_ = 0;
};

// The chunks of one collection, in order, wherever they come from. One thread.
class CollectionContent {
 public:
  CollectionContent(repo::Writer& writer, std::uint64_t seed);
  CollectionContent(const CollectionContent&) = delete;
  CollectionContent& operator=(const CollectionContent&) = delete;

  // An entry as ChunkWriter gives it; its blob is in the repository (Writer::reuse was asked for
  // those of another snapshot).
  Result<void> add(ByteView entry);
  Result<void> finish();

  // Count, bytes, chunks and digest into `stored`; the files into the tree.
  void add_to(catalog::DatabaseTree& tree, dataset::StoredCollection& stored);

 private:
  BlobFile documents_;
  BlobFile index_;
  dataset::DocumentChunker index_chunker_;
  bson::Digest256 digest_;
  std::uint64_t count_ = 0;
};

}  // namespace holdfast::backup
