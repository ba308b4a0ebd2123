#include "backup/tree_in_progress.hpp"

namespace holdfast::backup {

TreeInProgress::TreeInProgress(Run& run, Handle parent, repo::Node self, PreviousTree previous)
    : run_(run), parent_(std::move(parent)), self_(std::move(self)), previous_(previous) {
  slot_in_parent_ = parent_->reserve();
}

Result<void> TreeInProgress::add(const repo::Node& node) {
  MutexLock lock(mutex_);
  if (waiting_.empty()) {
    ++first_waiting_;
    return encoder_.add(node);
  }
  waiting_.push_back({Entry::State::ready, node});
  return {};
}

TreeInProgress::Slot TreeInProgress::reserve() {
  MutexLock lock(mutex_);
  waiting_.emplace_back();
  return first_waiting_ + waiting_.size() - 1;
}

Result<void> TreeInProgress::fill(Slot slot, repo::Node node) {
  return settle(slot, {Entry::State::ready, std::move(node)});
}

Result<void> TreeInProgress::drop(Slot slot) {
  return settle(slot, {Entry::State::dropped, {}});
}

Result<void> TreeInProgress::settle(Slot slot, Entry entry) {
  {
    MutexLock lock(mutex_);
    waiting_[slot - first_waiting_] = std::move(entry);
    TRY(write_ready());
    if (!closed_ || !waiting_.empty()) return {};
  }
  return store();
}

Result<void> TreeInProgress::close() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    if (!waiting_.empty()) return {};
  }
  return store();
}

Result<void> TreeInProgress::write_ready() {
  while (!waiting_.empty() && waiting_.front().state != Entry::State::waiting) {
    if (waiting_.front().state == Entry::State::ready) TRY(encoder_.add(waiting_.front().node));
    waiting_.pop_front();
    ++first_waiting_;
  }
  return {};
}

Result<void> TreeInProgress::store() {
  repo::BlobId id;
  {
    MutexLock lock(mutex_);
    const auto text = encoder_.finish();
    const auto saved = TRY(run_.writer.save(repo::BlobType::tree, text));
    id = saved.id;
  }
  if (!parent_) {
    run_.root = id;
    return {};
  }
  count(id);
  self_.subtree = id;
  return parent_->fill(slot_in_parent_, std::move(self_));
}

void TreeInProgress::count(const repo::BlobId& id) const {
  auto& counters = run_.counters;
  if (!previous_.existed)
    ++counters.dirs_new;
  else if (previous_.id == id)
    ++counters.dirs_unmodified;
  else
    ++counters.dirs_changed;
}

}  // namespace holdfast::backup
