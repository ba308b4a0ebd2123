#include "backup/import_collection.hpp"

#include "bson/compare.hpp"

namespace holdfast::backup {

namespace {

// The documents of one collection on their way into the repository.
class CollectionStore {
 public:
  explicit CollectionStore(const CollectionImportSetup& setup)
      : content_(setup.writer, setup.chunk_seed),
        chunks_(setup.writer, setup.chunk_seed,
                [this](ByteView entry) { return content_.add(entry); }) {}

  Result<void> add(ByteView document, ByteView key) { return chunks_.add(document, key); }

  Result<void> finish() {
    TRY(chunks_.finish());
    return content_.finish();
  }

  Result<void> add_to(BaseSnapshot& base, CollectionImport& import) {
    import.stored = TRY(base.add_collection(import.stored.facts, content_));
    import.chunk_new_count = chunks_.new_count();
    return {};
  }

 private:
  CollectionContent content_;
  ChunkWriter chunks_;
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
  return store.add_to(setup.base, import);
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
  return store.add_to(setup.base, import);
}

}  // namespace

Result<CollectionImport> import_collection(const CollectionImportSetup& setup,
                                           dataset::DumpReader& dump,
                                           const dataset::MongoCollection& collection) {
  CollectionImport import;
  import.stored.facts = collection;
  import.stored.order = stored_order_of(collection);
  if (collection.has_documents) {
    TRY(store_documents(setup, dump, import).while_doing("importing " + collection.ns()));
  } else {
    TRY(setup.base.add_metadata(collection));
  }
  return import;
}

}  // namespace holdfast::backup
