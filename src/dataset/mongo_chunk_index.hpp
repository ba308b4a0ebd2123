#pragma once
// The chunk index of one collection: for each blob its `_id` range, count, bytes and digest, as
// BSON documents one after the other (docs/mongodump_format.md), in the order of the blobs.
#include "base/id.hpp"
#include "bson/builder.hpp"
#include "dataset/mongo_chunker.hpp"

namespace holdfast::dataset {

// What a blob is called; the same 32 bytes as repo::BlobId, which this layer does not know.
using ChunkName = std::array<std::uint8_t, 32>;

// Plain value with views into the document it was read from.
struct ChunkEntry {
  std::optional<bson::Value> first_id;
  std::optional<bson::Value> last_id;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  bson::Digest256 digest;
  ChunkName name{};
};

Bytes encode_chunk_entry(const Chunk& chunk, const ChunkName& name);
// Error: malformed.
Result<ChunkEntry> decode_chunk_entry(bson::Document document);

// Whether a document with that `_id` can be in the chunk.
bool may_hold(const ChunkEntry& entry, const bson::Value& id);

}  // namespace holdfast::dataset
