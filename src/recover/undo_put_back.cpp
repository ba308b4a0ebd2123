#include "recover/undo_put_back.hpp"

#include <fmt/format.h>

#include "dataset/mongo_sorter.hpp"
#include "recover/guarded_writes.hpp"
#include "recover/undo_point.hpp"

namespace holdfast::recover {

namespace {

// Takes one collection of an undo point back, in batches.
class UndoRun {
 public:
  UndoRun(PrimaryLink& link, const NamespaceName& name, UndoMode mode)
      : link_(link), name_(name), mode_(mode), writes_(link, name) {}

  Result<void> add(const UndoEntry& entry, ByteView before) {
    bytes_ += before.size();
    waiting_.push_back({entry, to_bytes(before)});
    const bool is_full = waiting_.size() == guarded_documents_max || bytes_ >= guarded_bytes_max;
    return is_full ? flush() : Result<void>();
  }

  Result<void> finish() {
    TRY(flush());
    return mode_ == UndoMode::preview ? Result<void>() : writes_.finish();
  }

  std::uint64_t done_count() const { return would_be_done_ + writes_.written_count(); }
  std::uint64_t left_count() const { return left_ + writes_.left_count(); }

 private:
  struct Waiting {
    UndoEntry entry;
    Bytes before;
  };

  // What is there must be what was written.
  Result<void> flush() {
    if (waiting_.empty()) return {};
    std::vector<ByteView> ids;
    for (const Waiting& each : waiting_) ids.emplace_back(each.entry.id_document);
    auto* connection = TRY(link_.connection());
    const auto current = TRY(fetch_same_ids(*connection, name_, ids));
    for (Waiting& each : waiting_) {
      Bytes key;
      dataset::id_key_of(bson::Document::trusted(each.entry.id_document), key);
      const auto found = current.find(key);
      if (found == current.end() || sha_.of(found->second) != each.entry.sha) {
        ++left_;
      } else if (mode_ == UndoMode::preview) {
        ++would_be_done_;
      } else {
        TRY(writes_.add({found->second, std::move(each.before)}));
      }
    }
    waiting_.clear();
    bytes_ = 0;
    return {};
  }

  PrimaryLink& link_;
  const NamespaceName& name_;
  const UndoMode mode_;
  GuardedWrites writes_;
  std::vector<Waiting> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t would_be_done_ = 0;
  bson::Sha256 sha_;
};

Result<UndoneCollection> undo_collection(UndoPoint& point, const UndoCollection& collection,
                                         PrimaryLink& link, UndoMode mode) {
  UndoRun inserted(link, collection.name, mode);
  TRY(point.for_each_inserted(collection,
                              [&](const UndoEntry& entry) { return inserted.add(entry, {}); }));
  TRY(inserted.finish());
  UndoRun replaced(link, collection.name, mode);
  TRY(point.for_each_replaced(collection, [&](const UndoEntry& entry, ByteView before) {
    return replaced.add(entry, before);
  }));
  TRY(replaced.finish());
  return UndoneCollection{collection.name.ns(), inserted.done_count(), replaced.done_count(),
                          inserted.left_count() + replaced.left_count()};
}

}  // namespace

UndoneCollection UndoResult::sum() const {
  UndoneCollection sum;
  for (const UndoneCollection& each : collections) {
    sum.removed += each.removed;
    sum.replaced += each.replaced;
    sum.left += each.left;
  }
  return sum;
}

Result<UndoResult> undo_put_back(repo::Repository& repository, mongo::Deployment& live,
                                 const UndoRequest& request) {
  const auto stored = TRY(repository.find_snapshot(request.undo_point));
  TRY(repository.load_index());
  UndoPoint point = TRY(UndoPoint::open(repository, stored));
  UndoResult result;
  result.dataset = point.facts().dataset;
  result.moment = point.facts().moment;
  if (!request.dataset.empty() && request.dataset != result.dataset)
    return fail(ErrorCode::usage,
                fmt::format("the undo point {} is of the dataset {}, not of {}",
                            stored.id.short_hex(), result.dataset, request.dataset));
  PrimaryLink link(live, repository.context());
  for (const UndoCollection& collection : point.facts().collections) {
    auto undone = TRY(undo_collection(point, collection, link, request.mode));
    result.collections.push_back(std::move(undone));
  }
  if (const std::uint64_t left = result.sum().left; left > 0)
    result.notes.push_back(
        fmt::format("{} documents are not what was written, and stay as they are", left));
  return result;
}

}  // namespace holdfast::recover
