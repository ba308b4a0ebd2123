#pragma once
// Cuts a collection's documents into the blobs of a snapshot. Boundaries lie between documents and
// are chosen by a hash of K(_id): where documents did not change, the blobs are those of the last
// snapshot. Each chunk knows its `_id` range, so that one document is found by reading one blob.
#include <functional>

#include "bson/digest.hpp"
#include "dataset/mongo_sorter.hpp"

namespace holdfast::dataset {

struct ChunkLimits {
  std::size_t bytes_min = std::size_t{256} << 10;
  std::size_t bytes_average = std::size_t{1} << 20;
  std::size_t bytes_max = std::size_t{4} << 20;  // only a single larger document makes more
  // Different seeds give unrelated boundaries, so that sizes do not tell contents across
  // repositories.
  std::uint64_t seed = 0;
};

// Views are valid during the call that hands it over.
struct Chunk {
  ByteView bytes;
  std::optional<bson::Value> first_id;  // nothing: the document has none
  std::optional<bson::Value> last_id;
  std::uint64_t count = 0;
  bson::Digest256 digest;  // of these documents
};

// One thread. add() each document, then finish().
class DocumentChunker {
 public:
  using Emit = std::function<Result<void>(const Chunk&)>;
  DocumentChunker(const ChunkLimits& limits, Emit emit) : limits_(limits), emit_(std::move(emit)) {}

  // `key`: K(_id) of the document, or what else identifies it.
  Result<void> add(ByteView document, ByteView key);
  Result<void> finish();
  // The next document begins a chunk, whatever came before.
  bool is_between_chunks() const { return bytes_.empty(); }

 private:
  bool is_boundary(ByteView key, std::size_t document_bytes) const;
  Result<void> cut();

  ChunkLimits limits_;
  Emit emit_;
  Bytes bytes_;
  std::size_t last_start_ = 0;
  bson::ContentDigest digest_;
};

}  // namespace holdfast::dataset
