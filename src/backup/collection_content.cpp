#include "backup/collection_content.hpp"

namespace holdfast::backup {

namespace {

// Smaller than those of documents: the index is read to find one document.
constexpr dataset::ChunkLimits index_limits{.bytes_min = std::size_t{32} << 10,
                                            .bytes_average = std::size_t{128} << 10,
                                            .bytes_max = std::size_t{512} << 10};

dataset::ChunkLimits with_seed(dataset::ChunkLimits limits, std::uint64_t seed) {
  limits.seed = seed;
  return limits;
}

}  // namespace

Result<repo::BlobId> BlobFile::append(ByteView plain) {
  const auto saved = TRY(writer_.save(repo::BlobType::data, plain));
  append(saved.id, plain.size());
  new_count_ += saved.was_new ? 1 : 0;
  return saved.id;
}

void BlobFile::append(const repo::BlobId& blob, std::uint64_t bytes) {
  content_.push_back(blob);
  bytes_ += bytes;
}

std::uint64_t chunk_seed_of(const repo::Repository& repository) {
  return repository.config().chunker_polynomial.bits;
}

dataset::ChunkLimits chunk_limits(std::uint64_t seed) {
  return with_seed({}, seed);
}

ChunkWriter::ChunkWriter(repo::Writer& writer, std::uint64_t seed, OnChunk on_chunk)
    : writer_(writer),
      on_chunk_(std::move(on_chunk)),
      chunker_(chunk_limits(seed), [this](const dataset::Chunk& chunk) { return store(chunk); }) {}

Result<void> ChunkWriter::store(const dataset::Chunk& chunk) {
  const auto saved = TRY(writer_.save(repo::BlobType::data, chunk.bytes));
  new_count_ += saved.was_new ? 1 : 0;
  return on_chunk_(dataset::encode_chunk_entry(chunk, saved.id.bytes));
}

CollectionContent::CollectionContent(repo::Writer& writer, std::uint64_t seed)
    : documents_(writer),
      index_(writer),
      index_chunker_(with_seed(index_limits, seed),
                     [this](const dataset::Chunk& chunk) -> Result<void> {
                       TRY(index_.append(chunk.bytes));
                       return {};
                     }) {}

Result<void> CollectionContent::add(ByteView entry) {
  const auto chunk = TRY(dataset::decode_chunk_entry(bson::Document::trusted(entry)));
  const repo::BlobId blob{chunk.name};
  documents_.append(blob, chunk.bytes);
  digest_ += chunk.digest;
  count_ += chunk.count;
  return index_chunker_.add(entry, blob.view());
}

Result<void> CollectionContent::finish() {
  return index_chunker_.finish();
}

void CollectionContent::add_to(catalog::DatabaseTree& tree, dataset::StoredCollection& stored) {
  stored.count = count_;
  stored.bytes = documents_.bytes();
  stored.chunk_count = documents_.count();
  stored.digest = digest_;
  documents_.add_to(tree, dataset::documents_path(stored.facts));
  index_.add_to(tree, dataset::chunk_index_path(stored.facts));
}

}  // namespace holdfast::backup
