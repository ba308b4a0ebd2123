#include "backup/chunk_index_reader.hpp"

#include "bson/key.hpp"

namespace holdfast::backup {

Result<StoredChunk> StoredChunk::decode(ByteView raw) {
  StoredChunk chunk;
  chunk.raw_ = to_bytes(raw);
  const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(chunk.raw_)));
  if (entry.first_id) bson::append_key(*entry.first_id, chunk.first_key_);
  chunk.blob_ = repo::BlobId{entry.name};
  chunk.count_ = entry.count;
  chunk.bytes_ = entry.bytes;
  chunk.digest_ = entry.digest;
  return chunk;
}

Result<std::optional<StoredChunk>> ChunkIndexReader::next() {
  while (true) {
    if (entries_) {
      const auto entry = TRY(entries_->next());
      if (entry) {
        auto chunk = TRY(StoredChunk::decode(*entry).while_doing("reading " + name_));
        return std::optional<StoredChunk>(std::move(chunk));
      }
      entries_.reset();
    }
    if (at_ == blobs_.size()) return std::optional<StoredChunk>();
    const ByteView plain =
        TRY(reader_.load({repo::BlobType::data, blobs_[at_++]}).while_doing("reading " + name_));
    entries_.emplace(plain, name_);
  }
}

}  // namespace holdfast::backup
