#pragma once
// Writes the collections of a moment to a target: creates them, feeds the connections, and notes
// how far it came.
#include <deque>

#include "recover/insert_pool.hpp"
#include "recover/renamed_view.hpp"
#include "recover/restorable.hpp"
#include "recover/restore_marker.hpp"
#include "recover/target_catalog.hpp"

namespace holdfast::recover {

constexpr std::chrono::seconds marks_pause{2};
constexpr std::size_t user_documents_max = 100'000;

// In place: the name that a collection has until it is compared and renamed over the old one.
NamespaceName unfinished(const NamespaceName& target);

// A collection that was written, and what is still to be done for it.
struct WrittenCollection {
  RestoredCollection result;
  dataset::MongoCollection facts;
  NamespaceName target;
  NamespaceName written;  // where its documents are now; in place: another name than `target`
  // Compared and renamed by an earlier run: it is in use, and not compared again.
  bool was_placed = false;
};

struct WrittenView {
  NamespaceName target;
  RenamedView definition;
};

struct WriterSetup {
  PrimaryLink& link;
  InsertPool& pool;
  TargetCatalog& catalog;
  RestoreMarker& marker;
  Context& context;
  const NamespaceChoice& choice;
  InPlace in_place = InPlace::no;
  std::uint64_t bytes_total = 0;  // for progress; about
  std::uint64_t collections_total = 0;
};

// One thread.
class RestoreWriter final : public MomentSink {
 public:
  explicit RestoreWriter(const WriterSetup& setup) : setup_(setup) {}

  Result<void> begin(const MomentCollection& collection) override;
  Result<void> document(ByteView document) override;
  Result<void> end(const oplog::CollectionTotals& totals) override;
  // Waits until everything is confirmed.
  Result<void> finish();

  std::vector<WrittenCollection>& collections() { return collections_; }
  const std::vector<WrittenView>& views() const { return views_; }
  const std::vector<Bytes>& users() const { return users_; }
  const std::vector<Bytes>& roles() const { return roles_; }

 private:
  // What becomes true when a batch is confirmed.
  struct Promise {
    std::uint64_t batch;
    std::string target_ns;
    CollectionMark mark;
  };

  Result<void> begin_documents(const MomentCollection& collection);
  Result<void> make_room(const MomentCollection& collection, const WrittenCollection& written);
  Result<void> write(ByteView document);
  Result<void> flush();
  Result<void> note_confirmed();
  void add_view(const NamespaceName& view, const Bytes& options);
  Result<void> take_view_definition(ByteView document);
  WrittenCollection& current() { return collections_.back(); }

  WriterSetup setup_;
  std::vector<WrittenCollection> collections_;
  std::vector<WrittenView> views_;
  std::vector<Bytes> users_;
  std::vector<Bytes> roles_;

  Restorable what_ = Restorable::nothing;
  std::string db_;  // of the collection that comes, as it was
  std::optional<bson::Digest256> expected_;
  bson::ContentDigest digest_;
  bool is_capped_ = false;
  TakenIds taken_ = TakenIds::refuse;
  CollectionMark mark_;  // of an earlier run
  std::optional<InsertBatch> batch_;
  Bytes key_;
  Bytes batch_key_;  // of the last document in the batch
  std::uint64_t last_batch_ = 0;
  std::deque<Promise> promises_;  // ascending by batch; as many as batches in flight and ends
  Duration noted_at_{};
  std::uint64_t bytes_done_ = 0;
};

}  // namespace holdfast::recover
