#include "dataset/mongo_chunker.hpp"

#include <xxhash.h>

namespace holdfast::dataset {

// A document is a boundary with a probability in proportion to its size, so that chunks have the
// average size in bytes whatever the documents are.
bool DocumentChunker::is_boundary(ByteView key, std::size_t document_bytes) const {
  const std::size_t span_bytes = limits_.bytes_average - limits_.bytes_min;
  if (document_bytes >= span_bytes) return true;
  const std::uint64_t step = UINT64_MAX / span_bytes;
  return XXH3_64bits_withSeed(key.data(), key.size(), limits_.seed) < step * document_bytes;
}

Result<void> DocumentChunker::add(ByteView document, ByteView key) {
  if (!bytes_.empty() && bytes_.size() + document.size() > limits_.bytes_max) TRY(cut());
  last_start_ = bytes_.size();
  append(bytes_, document);
  digest_.add(document);
  if (bytes_.size() < limits_.bytes_min || !is_boundary(key, document.size())) return {};
  return cut();
}

Result<void> DocumentChunker::finish() {
  if (bytes_.empty()) return {};
  return cut();
}

Result<void> DocumentChunker::cut() {
  const ByteView all = bytes_;
  const auto first = bson::Document::trusted(all);
  const auto last = bson::Document::trusted(all.subspan(last_start_));
  const Chunk chunk{.bytes = all,
                    .first_id = first.find("_id"),
                    .last_id = last.find("_id"),
                    .count = digest_.count(),
                    .digest = digest_.digest()};
  TRY(emit_(chunk));
  bytes_.clear();
  digest_.clear();
  return {};
}

}  // namespace holdfast::dataset
