#include "backup/import_collection.hpp"

#include "bson/compare.hpp"

namespace holdfast::backup {

namespace {

// Smaller than those of documents: the index is read to find one document.
constexpr dataset::ChunkLimits index_limits{.bytes_min = std::size_t{32} << 10,
                                            .bytes_average = std::size_t{128} << 10,
                                            .bytes_max = std::size_t{512} << 10};

// A file of the tree that grows blob by blob.
class BlobFile {
 public:
  explicit BlobFile(repo::Writer& writer) : writer_(writer) {}

  Result<repo::BlobId> append(ByteView plain) {
    const auto saved = TRY(writer_.save(repo::BlobType::data, plain));
    content_.push_back(saved.id);
    bytes_ += plain.size();
    new_count_ += saved.was_new ? 1 : 0;
    return saved.id;
  }
  void add_to(DatabaseTree& tree, std::string_view path) {
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

dataset::ChunkLimits limits_with_seed(dataset::ChunkLimits limits, std::uint64_t seed) {
  limits.seed = seed;
  return limits;
}

// The documents of one collection on their way into the repository.
class CollectionStore {
 public:
  explicit CollectionStore(const CollectionImportSetup& setup)
      : documents_(setup.writer),
        index_(setup.writer),
        index_chunker_(limits_with_seed(index_limits, setup.chunk_seed),
                       [this](const dataset::Chunk& chunk) -> Result<void> {
                         TRY(index_.append(chunk.bytes));
                         return {};
                       }),
        chunker_(limits_with_seed({}, setup.chunk_seed),
                 [this](const dataset::Chunk& chunk) { return store(chunk); }) {}

  Result<void> add(ByteView document, ByteView key) { return chunker_.add(document, key); }

  Result<void> finish() {
    TRY(chunker_.finish());
    return index_chunker_.finish();
  }

  void add_to(DatabaseTree& tree, CollectionImport& import) {
    dataset::StoredCollection& stored = import.stored;
    stored.count = count_;
    stored.bytes = documents_.bytes();
    stored.chunk_count = documents_.count();
    stored.digest = digest_;
    import.chunk_new_count = documents_.new_count();
    documents_.add_to(tree, dataset::documents_path(stored.facts));
    index_.add_to(tree, dataset::chunk_index_path(stored.facts));
  }

 private:
  Result<void> store(const dataset::Chunk& chunk) {
    const repo::BlobId id = TRY(documents_.append(chunk.bytes));
    digest_ += chunk.digest;
    count_ += chunk.count;
    const Bytes entry = dataset::encode_chunk_entry(chunk, id.bytes);
    return index_chunker_.add(entry, id.view());
  }

  BlobFile documents_;
  BlobFile index_;
  dataset::DocumentChunker index_chunker_;
  dataset::DocumentChunker chunker_;
  bson::Digest256 digest_;
  std::uint64_t count_ = 0;
};

enum class Outcome : std::uint8_t { stored, out_of_order };

// Stores documents as they come, as long as each K(_id) is above the one before.
Result<Outcome> store_ascending(dataset::DocumentStream& documents, CollectionStore& store) {
  Bytes key;
  Bytes previous;
  for (bool is_first = true;; is_first = false) {
    const auto document = TRY(documents.next());
    if (!document) break;
    key.clear();
    dataset::id_key_of(bson::Document::trusted(*document), key);
    const bool both_nameless = key.empty() && previous.empty();
    const bool ascends = is_first || both_nameless || bson::compare_bytes(previous, key) < 0;
    if (!ascends) return Outcome::out_of_order;
    TRY(store.add(*document, key));
    std::swap(key, previous);
  }
  TRY(store.finish());
  return Outcome::stored;
}

Result<void> store_as_it_comes(dataset::DocumentStream& documents, CollectionStore& store) {
  Bytes key;
  while (true) {
    const auto document = TRY(documents.next());
    if (!document) return store.finish();
    key.clear();
    dataset::id_key_of(bson::Document::trusted(*document), key);
    TRY(store.add(*document, key));
  }
}

Result<void> store_sorted(const CollectionImportSetup& setup, dataset::DocumentStream& documents,
                          CollectionImport& import) {
  dataset::DocumentSorter sorter(setup.spill, {.memory_bytes_max = setup.sort_memory_bytes_max});
  while (true) {
    const auto document = TRY(documents.next());
    if (!document) break;
    TRY(sorter.add(*document));
  }
  auto sorted = TRY(sorter.finish());
  CollectionStore store(setup);
  TRY(store_ascending(*sorted, store));
  import.duplicate_count = sorter.duplicate_count();
  store.add_to(setup.tree, import);
  return {};
}

Result<void> store_documents(const CollectionImportSetup& setup, dataset::DumpReader& dump,
                             CollectionImport& import) {
  const dataset::MongoCollection& facts = import.stored.facts;
  auto documents = TRY(dump.documents(facts));
  CollectionStore store(setup);
  if (import.stored.order == dataset::StoredOrder::natural) {
    TRY(store_as_it_comes(*documents, store));
  } else {
    const Outcome outcome = TRY(store_ascending(*documents, store));
    if (outcome == Outcome::out_of_order) {
      // What was stored so far is found again where the order is the same.
      documents = TRY(dump.documents(facts));
      return store_sorted(setup, *documents, import);
    }
  }
  store.add_to(setup.tree, import);
  return {};
}

}  // namespace

Result<CollectionImport> import_collection(const CollectionImportSetup& setup,
                                           dataset::DumpReader& dump,
                                           const dataset::MongoCollection& collection) {
  CollectionImport import;
  import.stored.facts = collection;
  import.stored.order =
      collection.is_capped() ? dataset::StoredOrder::natural : dataset::StoredOrder::by_id;
  if (collection.has_metadata)
    TRY(setup.tree.add_text(setup.writer, dataset::metadata_path(collection),
                            as_bytes(dataset::metadata_json(collection))));
  if (collection.has_documents)
    TRY(store_documents(setup, dump, import).while_doing("importing " + collection.ns()));
  return import;
}

Result<void> import_stream(const CollectionImportSetup& setup, dataset::DocumentStream& documents,
                           std::string_view path) {
  BlobFile file(setup.writer);
  dataset::DocumentChunker chunker(limits_with_seed({}, setup.chunk_seed),
                                   [&file](const dataset::Chunk& chunk) -> Result<void> {
                                     TRY(file.append(chunk.bytes));
                                     return {};
                                   });
  while (true) {
    const auto document = TRY(documents.next());
    if (!document) break;
    TRY(chunker.add(*document, *document));
  }
  TRY(chunker.finish());
  file.add_to(setup.tree, path);
  return {};
}

}  // namespace holdfast::backup
