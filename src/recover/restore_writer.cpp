#include "recover/restore_writer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/compare.hpp"
#include "dataset/mongo_sorter.hpp"

namespace holdfast::recover {

namespace {

// Without a dot: some servers can not rename what has one.
constexpr std::string_view unfinished_suffix = "_holdfast_new";

}  // namespace

NamespaceName unfinished(const NamespaceName& target) {
  return {target.db, target.collection + std::string(unfinished_suffix)};
}

Result<void> RestoreWriter::begin(const MomentCollection& collection) {
  TRY(setup_.context.check_stop());
  what_ = what_of(collection);
  db_ = collection.facts.db;
  expected_ = collection.digest;
  digest_.clear();
  const NamespaceName target = setup_.choice.name_of(collection.facts.ns());
  switch (what_) {
    case Restorable::documents:
      return begin_documents(collection);
    case Restorable::view:
      add_view({db_, collection.facts.name}, collection.facts.options);
      return {};
    case Restorable::time_series:
      return setup_.catalog.create_time_series(target, collection.facts.options);
    case Restorable::view_list:
    case Restorable::users:
    case Restorable::roles:
    case Restorable::nothing:
      return {};
  }
  return {};
}

Result<void> RestoreWriter::begin_documents(const MomentCollection& collection) {
  const NamespaceName target = setup_.choice.name_of(collection.facts.ns());
  WrittenCollection written;
  written.facts = collection.facts;
  written.target = target;
  written.written = setup_.in_place == InPlace::yes ? unfinished(target) : target;
  written.result.ns = collection.facts.ns();
  written.result.target_ns = target.ns();
  written.result.type = collection.facts.type;
  const CollectionMark* mark = setup_.marker.find(target.ns());
  taken_ = mark == nullptr ? TakenIds::refuse : TakenIds::accept;
  mark_ = mark == nullptr ? CollectionMark{} : *mark;
  is_capped_ = collection.is_capped;
  written.was_placed = mark != nullptr && mark->state == RestoreState::placed;
  if (written.was_placed) written.written = target;
  if (mark == nullptr || mark->state == RestoreState::writing) TRY(make_room(collection, written));
  collections_.push_back(std::move(written));
  return {};
}

// The collection is created, or is there from an earlier run. The order of a capped one is content:
// it is begun anew.
Result<void> RestoreWriter::make_room(const MomentCollection& collection,
                                      const WrittenCollection& written) {
  const bool is_new = taken_ == TakenIds::refuse;
  const bool is_left_over = is_new && setup_.in_place == InPlace::yes;
  if (is_left_over || (!is_new && is_capped_)) {
    TRY(setup_.catalog.drop(written.written));
    mark_ = {};
  }
  const std::string_view time_series = time_series_of(collection.facts.name);
  if (!time_series.empty())
    TRY(setup_.catalog.create_time_series({written.target.db, std::string(time_series)},
                                          collection.facts.options));
  else if (is_new || is_capped_)
    TRY(setup_.catalog.create(written.written, collection.facts));
  if (!is_new) return {};
  return setup_.marker.save(written.target.ns(), mark_);
}

Result<void> RestoreWriter::document(ByteView document) {
  digest_.add(document);
  switch (what_) {
    case Restorable::documents:
      return write(document);
    case Restorable::view_list:
      return take_view_definition(document);
    case Restorable::users:
    case Restorable::roles: {
      auto& to = what_ == Restorable::users ? users_ : roles_;
      if (to.size() == user_documents_max)
        return fail(ErrorCode::limit_exceeded, "too many users or roles");
      to.push_back(to_bytes(document));
      return {};
    }
    case Restorable::view:
    case Restorable::time_series:
    case Restorable::nothing:
      return {};
  }
  return {};
}

Result<void> RestoreWriter::take_view_definition(ByteView document) {
  const auto view = view_of(db_, document);
  if (view && setup_.choice.takes(view->facts.ns()))
    add_view({db_, view->facts.name}, view->facts.options);
  return {};
}

// The list of views tells of one, and so may a base that has the list and its metadata.
void RestoreWriter::add_view(const NamespaceName& view, const Bytes& options) {
  const NamespaceName target = setup_.choice.name_of(view.ns());
  const bool is_known = std::any_of(views_.begin(), views_.end(),
                                    [&](const WrittenView& each) { return each.target == target; });
  if (!is_known) views_.push_back({target, rename_view(view, options, setup_.choice)});
}

Result<void> RestoreWriter::write(ByteView document) {
  if (mark_.state != RestoreState::writing) {
    ++current().result.kept_count;
    return {};
  }
  if (!is_capped_) {
    key_.clear();
    dataset::id_key_of(bson::Document::trusted(document), key_);
    const bool is_there =
        !mark_.confirmed_key.empty() && bson::compare_bytes(key_, mark_.confirmed_key) <= 0;
    if (is_there) {
      ++current().result.kept_count;
      return {};
    }
  }
  if (batch_ && !batch_->has_room_for(document.size())) TRY(flush());
  if (!batch_) {
    const NamespaceName& to = current().written;
    batch_.emplace(to.db, to.collection, taken_,
                   is_capped_ ? BatchOrder::as_given : BatchOrder::any);
  }
  batch_->add(document);
  batch_key_ = key_;
  return {};
}

Result<void> RestoreWriter::flush() {
  if (!batch_) return {};
  bytes_done_ += batch_->byte_count();
  InsertBatch full = std::move(*batch_);
  batch_.reset();
  last_batch_ = TRY(setup_.pool.push(std::move(full)));
  if (is_capped_) return setup_.pool.drain();
  promises_.push_back({last_batch_, current().target.ns(), {RestoreState::writing, batch_key_}});
  setup_.context.log.progress({.phase = "restore",
                               .files_done = collections_.size(),
                               .files_total = setup_.collections_total,
                               .bytes_done = bytes_done_,
                               .bytes_total = setup_.bytes_total});
  const Duration now = setup_.context.clock.monotonic();
  if (now - noted_at_ < marks_pause) return {};
  noted_at_ = now;
  return note_confirmed();
}

// Of the promises that came true, the last one of each collection counts.
Result<void> RestoreWriter::note_confirmed() {
  const std::uint64_t confirmed = setup_.pool.confirmed_up_to();
  while (!promises_.empty() && promises_.front().batch <= confirmed) {
    Promise promise = std::move(promises_.front());
    promises_.pop_front();
    const bool is_last = promises_.empty() || promises_.front().batch > confirmed ||
                         promises_.front().target_ns != promise.target_ns;
    if (is_last) TRY(setup_.marker.save(promise.target_ns, promise.mark));
  }
  return {};
}

Result<void> RestoreWriter::end(const oplog::CollectionTotals& totals) {
  if (expected_ && *expected_ != digest_.digest())
    return fail(ErrorCode::corrupt, fmt::format("a collection of {} has not the digest that the "
                                                "manifest names",
                                                db_));
  if (what_ != Restorable::documents) return {};
  TRY(flush());
  RestoredCollection& result = current().result;
  result.count = digest_.count();
  result.bytes = digest_.bytes();
  result.digest = digest_.digest();
  if (totals.is_approximate_tail)
    setup_.context.log.note(
        fmt::format("{} is capped by size: its oldest documents are an estimate", result.ns));
  if (mark_.state == RestoreState::writing)
    promises_.push_back({last_batch_, result.target_ns, {RestoreState::written, {}}});
  return {};
}

Result<void> RestoreWriter::finish() {
  TRY(setup_.pool.drain());
  return note_confirmed();
}

}  // namespace holdfast::recover
