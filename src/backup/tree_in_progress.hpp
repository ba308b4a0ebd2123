#pragma once
// A directory whose entries become ready in any order and on any thread, while its tree is written
// in the order of names. When the last one is ready the tree is stored and the directory becomes
// ready in its parent: so trees are stored bottom-up without anybody waiting.
#include <atomic>
#include <deque>
#include <memory>
#include <optional>

#include "base/mutex.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"

namespace holdfast::backup {

// Counted by all threads of one run; they become the snapshot's summary.
struct BackupCounters {
  std::atomic<std::uint64_t> files_new = 0, files_changed = 0, files_unmodified = 0;
  std::atomic<std::uint64_t> dirs_new = 0, dirs_changed = 0, dirs_unmodified = 0;
  std::atomic<std::uint64_t> files_done = 0;
  std::atomic<std::uint64_t> bytes_done = 0;
};

// What the parent snapshot had in the place of a directory.
struct PreviousTree {
  bool existed = false;
  std::optional<repo::BlobId> id;
};

// Thread-safe. Memory: the text of the entries before the first one that is not ready, and the
// nodes after it; what is in flight is bounded by the queues of the readers.
class TreeInProgress {
 public:
  using Handle = std::shared_ptr<TreeInProgress>;
  using Slot = std::uint64_t;

  // Where runs of one backup meet: the writer, the counters, and the id of the root when ready.
  struct Run {
    repo::Writer& writer;
    BackupCounters& counters;
    std::optional<repo::BlobId> root = std::nullopt;  // set once, by the thread that finishes last
  };

  explicit TreeInProgress(Run& run) : run_(run) {}  // the root
  TreeInProgress(Run& run, Handle parent, repo::Node self, PreviousTree previous);

  // The walking thread: entries in ascending order of names, ready at once or later, then close.
  Result<void> add(const repo::Node& node);
  Slot reserve();
  Result<void> close();

  // Any thread, once for each slot: the entry is ready, or it is left out.
  Result<void> fill(Slot slot, repo::Node node);
  Result<void> drop(Slot slot);

 private:
  struct Entry {
    enum class State : std::uint8_t { waiting, ready, dropped };
    State state = State::waiting;
    repo::Node node;
  };

  Result<void> settle(Slot slot, Entry entry);
  Result<void> write_ready() REQUIRES_LOCK(mutex_);
  Result<void> store();
  void count(const repo::BlobId& id) const;

  Run& run_;
  const Handle parent_;
  Slot slot_in_parent_ = 0;
  repo::Node self_;
  const PreviousTree previous_;

  Mutex mutex_;
  std::deque<Entry> waiting_ GUARDED_BY(mutex_);
  Slot first_waiting_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
  repo::TreeEncoder encoder_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::backup
