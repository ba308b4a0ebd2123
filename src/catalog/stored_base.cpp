#include "catalog/stored_base.hpp"

#include <fmt/format.h>

#include "bson/compare.hpp"

namespace holdfast::catalog {

namespace {

constexpr std::uint8_t empty_document[] = {5, 0, 0, 0, 0};

// Each blob holds whole documents. The bytes were written by us and are named by their hash, but
// the file may be another program's work: documents are validated.
class BlobDocuments final : public oplog::DocumentReader {
 public:
  BlobDocuments(const repo::Repository& repository, std::vector<repo::BlobId> blobs,
                std::string name, oplog::DocumentOrder order)
      : reader_(repository), blobs_(std::move(blobs)), name_(std::move(name)), order_(order) {}

  oplog::DocumentOrder order() const override { return order_; }

  Result<std::optional<ByteView>> next() override {
    while (true) {
      if (documents_) {
        const auto document = TRY(documents_->next());
        if (document) return document;
        documents_.reset();
      }
      if (at_ == blobs_.size()) return std::optional<ByteView>();
      const ByteView plain =
          TRY(reader_.load({repo::BlobType::data, blobs_[at_++]}).while_doing("reading " + name_));
      documents_.emplace(plain, name_);
    }
  }

 private:
  repo::BlobReader reader_;
  std::vector<repo::BlobId> blobs_;
  std::string name_;
  oplog::DocumentOrder order_;
  std::size_t at_ = 0;
  std::optional<dataset::BsonBytes> documents_;
};

}  // namespace

Result<std::unique_ptr<StoredBase>> StoredBase::open(const repo::Repository& repository,
                                                     const repo::StoredSnapshot& stored) {
  auto base = std::make_unique<StoredBase>(repository, stored.snapshot.tree);
  const Bytes json = TRY(base->files_.read(dataset::manifest_path, dataset::manifest_bytes_max)
                             .while_doing("reading snapshot " + stored.id.short_hex()));
  base->manifest_ = TRY(dataset::decode_manifest(as_text(json)));
  base->coverage_ = dataset::Coverage(base->manifest_);
  return base;
}

oplog::BaseWindow StoredBase::window() const {
  return manifest_.window.value_or(oplog::BaseWindow{});
}

Result<std::vector<oplog::CollectionFacts>> StoredBase::collections() {
  std::vector<oplog::CollectionFacts> all;
  for (const dataset::StoredCollection& stored : manifest_.collections) {
    const dataset::MongoCollection& facts = stored.facts;
    if (!facts.uuid || !facts.has_documents) continue;
    const Bytes options = facts.options.empty() ? to_bytes(empty_document) : facts.options;
    all.push_back({*facts.uuid, facts.ns(), options, facts.indexes});
  }
  return all;
}

const dataset::StoredCollection* StoredBase::find_collection(const oplog::Uuid& uuid) const {
  for (const dataset::StoredCollection& stored : manifest_.collections) {
    if (stored.facts.uuid == uuid && stored.facts.has_documents) return &stored;
  }
  return nullptr;
}

Result<std::unique_ptr<oplog::DocumentReader>> StoredBase::documents(
    const oplog::CollectionFacts& collection) {
  const dataset::StoredCollection* stored = find_collection(collection.uuid);
  if (stored == nullptr) return fail(ErrorCode::not_found, collection.ns + " is not in the base");
  return documents(*stored);
}

Result<std::unique_ptr<oplog::DocumentReader>> StoredBase::documents(
    const dataset::StoredCollection& collection) {
  const std::string path = dataset::documents_path(collection.facts);
  auto node = TRY(files_.find(path));
  if (!node) return fail(ErrorCode::corrupt, path + " is not in the snapshot");
  const auto order = collection.order == dataset::StoredOrder::by_id
                         ? oplog::DocumentOrder::by_id
                         : oplog::DocumentOrder::natural;
  return std::unique_ptr<oplog::DocumentReader>(
      std::make_unique<BlobDocuments>(repository_, std::move(node->content), path, order));
}

Result<std::optional<Bytes>> StoredBase::find(const dataset::StoredCollection& collection,
                                              const bson::Value& id) {
  const std::string path = dataset::documents_path(collection.facts);
  if (collection.order == dataset::StoredOrder::natural) {
    const auto node = TRY(files_.find(path));
    if (!node) return fail(ErrorCode::corrupt, path + " is not in the snapshot");
    for (const repo::BlobId& blob : node->content) {
      auto found = TRY(find_in_blob(blob, id));
      if (found) return found;
    }
    return std::optional<Bytes>();
  }
  const std::string index_path = dataset::chunk_index_path(collection.facts);
  const auto index = TRY(files_.find(index_path));
  if (!index) return fail(ErrorCode::corrupt, index_path + " is not in the snapshot");
  const auto chunk = TRY(find_chunk(index->content, id));
  if (!chunk) return std::optional<Bytes>();
  return find_in_blob(*chunk, id);
}

// The blobs of the index ascend: the last one that begins at or before `id` is the only candidate.
Result<std::optional<repo::BlobId>> StoredBase::find_chunk(const std::vector<repo::BlobId>& index,
                                                           const bson::Value& id) {
  std::size_t low = 0;
  for (std::size_t high = index.size(); high - low > 1;) {
    const std::size_t middle = low + (high - low) / 2;
    const ByteView plain = TRY(reader_.load({repo::BlobType::data, index[middle]}));
    dataset::BsonBytes entries(plain, "chunk index");
    const auto first = TRY(entries.next());
    if (!first) return fail(ErrorCode::corrupt, "an empty blob in a chunk index");
    const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(*first)));
    const bool is_after = entry.first_id && bson::compare(id, *entry.first_id) < 0;
    (is_after ? high : low) = middle;
  }
  if (index.empty()) return std::optional<repo::BlobId>();
  const ByteView plain = TRY(reader_.load({repo::BlobType::data, index[low]}));
  dataset::BsonBytes entries(plain, "chunk index");
  while (true) {
    const auto document = TRY(entries.next());
    if (!document) return std::optional<repo::BlobId>();
    const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(*document)));
    if (dataset::may_hold(entry, id))
      return std::optional<repo::BlobId>(repo::BlobId::from_bytes(entry.name));
  }
}

Result<std::optional<Bytes>> StoredBase::find_in_blob(const repo::BlobId& blob,
                                                      const bson::Value& id) {
  const ByteView plain = TRY(reader_.load({repo::BlobType::data, blob}));
  dataset::BsonBytes documents(plain, "chunk " + blob.short_hex());
  while (true) {
    const auto document = TRY(documents.next());
    if (!document) return std::optional<Bytes>();
    const auto value = bson::Document::trusted(*document).find("_id");
    if (value && bson::is_same(*value, id)) return std::optional<Bytes>(to_bytes(*document));
  }
}

}  // namespace holdfast::catalog
