#include "recover/undelete_mongo.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bson/ext_json.hpp"
#include "recover/guarded_writes.hpp"
#include "recover/insert_pool.hpp"
#include "recover/lost_documents.hpp"
#include "recover/target_catalog.hpp"
#include "recover/undo_point.hpp"

namespace holdfast::recover {

namespace {

using Found = LostDocuments::Impl::Found;

void keep_refusal(PutBackCollection& result, std::string sentence) {
  if (result.refusals.size() < conflicts_max) result.refusals.push_back(std::move(sentence));
}

// Inserts the missing documents of one collection. Nothing that is there is touched, and what a
// unique index forbade that is gone now is not written either.
class MissingInsert {
 public:
  MissingInsert(PrimaryLink& link, const Found& found, PutBackCollection& result)
      : link_(link), name_(found.target), unguarded_(found.unguarded), result_(result) {}

  Result<void> add(ByteView document) {
    const bool is_full = documents_.size() == batch_documents_max ||
                         (!documents_.empty() && bytes_ + document.size() > batch_bytes_max);
    if (is_full) TRY(flush());
    documents_.push_back(to_bytes(document));
    bytes_ += document.size();
    return {};
  }

  Result<void> flush() {
    if (!unguarded_.empty() && !documents_.empty()) TRY(leave_out_conflicts());
    if (!documents_.empty()) TRY(insert());
    documents_.clear();
    bytes_ = 0;
    return {};
  }

 private:
  Result<void> leave_out_conflicts() {
    auto* connection = TRY(link_.connection());
    const std::vector<ByteView> views(documents_.begin(), documents_.end());
    auto conflicts = TRY(find_key_conflicts(*connection, name_, unguarded_, views));
    std::set<std::size_t> left_out;
    for (KeyConflict& conflict : conflicts) {
      if (!left_out.insert(conflict.document).second) continue;
      ++result_.not_written;
      keep_refusal(result_, std::move(conflict.sentence));
    }
    std::size_t number = 0;
    std::erase_if(documents_, [&](const Bytes&) { return left_out.contains(number++); });
    return {};
  }

  Result<void> insert() {
    InsertBatch batch(name_.db, name_.collection, TakenIds::refuse, BatchOrder::any);
    for (const Bytes& document : documents_) batch.add(document);
    const auto outcome =
        TRY(link_.write(name_.db, batch.command(), "inserting into " + name_.ns()));
    result_.written += documents_.size() - outcome.failures.size();
    for (const WriteFailure& failure : outcome.failures) TRY(judge(failure, outcome));
    return {};
  }

  // After a repeated command an `_id` may be taken by our own document.
  Result<void> judge(const WriteFailure& failure, const WriteOutcome& outcome) {
    const bool may_be_ours =
        outcome.is_repeated && failure.is_duplicate_key() && failure.index < documents_.size();
    if (may_be_ours) {
      const Bytes& wanted = documents_[failure.index];
      auto* connection = TRY(link_.connection());
      const auto there = TRY(fetch_same_ids(*connection, name_, {ByteView(wanted)}));
      if (!there.empty() && there.begin()->second == wanted) {
        ++result_.written;
        return {};
      }
    }
    ++result_.not_written;
    keep_refusal(result_, fmt::format("{}: {}", describe_id(failure.index),
                                      failure.is_duplicate_id ? "exists again" : failure.message));
    return {};
  }

  std::string describe_id(std::size_t index) const {
    if (index >= documents_.size()) return "a document";
    const auto id = bson::Document::trusted(documents_[index]).find("_id");
    return id ? bson::to_ext_json(*id, bson::JsonForm::relaxed) : std::string("a document");
  }

  PrimaryLink& link_;
  const NamespaceName& name_;
  const std::vector<WatchedIndex>& unguarded_;
  PutBackCollection& result_;
  std::vector<Bytes> documents_;  // of one batch
  std::size_t bytes_ = 0;
};

class PutBack {
 public:
  PutBack(PrimaryLink& link, LostDocuments::Impl& lost, Context& context)
      : link_(link), lost_(lost), context_(context), catalog_(link, KeepUuids::no, notes_) {}

  Result<PutBackResult> run() {
    for (Found& found : lost_.found) {
      PutBackCollection collection;
      collection.target_ns = found.target.ns();
      TRY(lost_.what == Lost::missing ? insert(found, collection) : replace(found, collection));
      context_.log.progress({.phase = "restore",
                             .files_done = result_.collections.size() + 1,
                             .files_total = lost_.found.size()});
      result_.collections.push_back(std::move(collection));
    }
    for (const std::string& sentence : notes_.notes) context_.log.note(sentence);
    for (const std::string& sentence : notes_.problems) context_.log.warn(sentence);
    return std::move(result_);
  }

 private:
  Result<void> insert(Found& found, PutBackCollection& collection) {
    if (found.is_absent_now) TRY(catalog_.create(found.target, found.then.facts));
    MissingInsert missing(link_, found, collection);
    TRY(found.documents.replay(
        [&](const SpooledDifference& each) { return missing.add(each.then); }));
    TRY(missing.flush());
    if (!found.is_absent_now) return {};
    const auto& indexes = found.then.facts.indexes;
    TRY(catalog_.build_indexes(found.target, indexes, TargetCatalog::Which::without_expiry));
    const bool expires = std::any_of(indexes.begin(), indexes.end(), [](const Bytes& spec) {
      return bson::Document::trusted(spec).find("expireAfterSeconds").has_value();
    });
    if (expires)
      notes_.note(
          fmt::format("{}: indexes that let documents expire were not made: they would "
                      "remove what was put back",
                      found.target.ns()));
    return {};
  }

  Result<void> replace(Found& found, PutBackCollection& collection) {
    GuardedWrites writes(link_, found.target);
    TRY(found.documents.replay([&](const SpooledDifference& each) {
      return writes.add({to_bytes(each.now), to_bytes(each.then)});
    }));
    TRY(writes.finish());
    collection.written = writes.written_count();
    collection.not_written = writes.left_count();
    for (const std::string& sentence : writes.refusals()) keep_refusal(collection, sentence);
    return {};
  }

  PrimaryLink& link_;
  LostDocuments::Impl& lost_;
  Context& context_;
  TargetNotes notes_;
  TargetCatalog catalog_;
  PutBackResult result_;
};

Result<repo::SnapshotId> store_undo_point(const repo::Repository& repository,
                                          LostDocuments::Impl& lost,
                                          const catalog::SnapshotAuthor& author) {
  auto writer = TRY(repo::Writer::make(repository));
  const catalog::DatasetLabel label{lost.dataset, author, {}, repository.context().clock.now()};
  UndoPointWriter undo(repository, writer, label, lost.moment);
  for (Found& found : lost.found) {
    TRY(undo.begin(found.target));
    TRY(found.documents.replay([&](const SpooledDifference& each) {
      return lost.what == Lost::missing ? undo.add_inserted(each.then)
                                        : undo.add_replaced(each.now, each.then);
    }));
  }
  return undo.publish();
}

}  // namespace

std::uint64_t PutBackResult::written() const {
  std::uint64_t count = 0;
  for (const PutBackCollection& each : collections) count += each.written;
  return count;
}
std::uint64_t PutBackResult::not_written() const {
  std::uint64_t count = 0;
  for (const PutBackCollection& each : collections) count += each.not_written;
  return count;
}

Result<PutBackResult> put_back(repo::Repository& repository, mongo::Deployment& live,
                               LostDocuments& lost, const catalog::SnapshotAuthor& author) {
  LostDocuments::Impl& impl = lost.impl();
  if (impl.found.empty()) return PutBackResult{};
  const auto undo_point = TRY(store_undo_point(repository, impl, author));
  PrimaryLink link(live, repository.context());
  PutBack run(link, impl, repository.context());
  auto result = TRY(run.run().while_doing(
      fmt::format("putting documents back (undo point {})", undo_point.short_hex())));
  result.undo_point = undo_point;
  return result;
}

}  // namespace holdfast::recover
