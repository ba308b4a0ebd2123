#pragma once
// Puts the documents of one collection into the order of K(_id) (docs/oplog_format.md 8.4), in
// bounded memory: sorted runs, then a merge.
#include <functional>

#include "dataset/mongo_stream.hpp"
#include "oplog/spill.hpp"

namespace holdfast::dataset {

struct SortOptions {
  std::size_t memory_bytes_max = std::size_t{128} << 20;
};

// One thread. add() all documents, then finish() once. The SpillStore must outlive what finish()
// returns. Documents without `_id` come first, in their order. Of documents with the same `_id`
// (a copy made during writes may hold two versions) the one added last stays.
class DocumentSorter {
 public:
  explicit DocumentSorter(oplog::SpillStore& spill, const SortOptions& options = {});
  ~DocumentSorter();
  DocumentSorter(DocumentSorter&&) noexcept;
  DocumentSorter& operator=(DocumentSorter&&) noexcept;

  Result<void> add(ByteView document);
  Result<std::unique_ptr<DocumentStream>> finish();
  // Documents left out because of a later one; final when the stream has ended.
  std::uint64_t duplicate_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// K(_id) of a document into `key`; empty if it has no `_id`.
void id_key_of(bson::Document document, Bytes& key);

}  // namespace holdfast::dataset
