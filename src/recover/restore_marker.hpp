#pragma once
// What an unfinished restore notes on its target, in `holdfast_restore.progress`, so that it can go
// on: one document for the restore and one for each collection. The restore's own is written anew
// every second while its process works: that it changes, not what time it names, tells others so.
#include <atomic>
#include <map>

#include "base/task_group.hpp"

#include "recover/primary_link.hpp"

namespace holdfast::recover {

constexpr std::chrono::seconds beat_pause{1};
constexpr std::chrono::seconds beat_patience{5};  // without a beat, the earlier run is dead

enum class RestoreState : std::uint8_t {
  writing,  // created by us; documents up to `confirmed_key` are there
  written,  // all documents are there
  placed    // in place: compared, and renamed over the old collection
};

struct CollectionMark {
  RestoreState state = RestoreState::writing;
  Bytes confirmed_key;  // K(_id), see bson/key.hpp; empty: none
};

// One thread; the beat has one of its own.
class RestoreMarker {
 public:
  // `identity`: what makes two restores the same one; for people too, so it is readable.
  RestoreMarker(PrimaryLink& link, mongo::Deployment& target, Context& context,
                std::string identity);
  ~RestoreMarker() { stop_beating(); }
  RestoreMarker(const RestoreMarker&) = delete;
  RestoreMarker& operator=(const RestoreMarker&) = delete;

  // Takes beat_patience when there are notes of an earlier run. Errors: refused (another restore is
  // unfinished here; the message names it), locked (the same restore is at work in another
  // process).
  Result<void> load();
  bool is_begun() const { return is_begun_; }
  const CollectionMark* find(const std::string& target_ns) const;

  // This process does it from now on, as load() found it. Error locked: another one was faster.
  Result<void> claim();
  // Error locked: another process has claimed the restore, or somebody removed the notes.
  Result<void> save(const std::string& target_ns, const CollectionMark& mark);
  // Whether a failure of this process has that reason: error locked instead of `error`.
  Error explain(Error error);
  // The restore is done: nothing is left behind.
  Result<void> remove();

 private:
  // The restore's own document.
  struct Owner {
    std::string identity;
    std::string beat;  // "PROCESS/NUMBER"; empty: notes of an older version
  };

  Result<std::optional<Owner>> read_owner(PrimaryLink& link) const;
  Result<std::optional<Owner>> watch(Owner owner);
  Result<void> load_marks();
  // Writes the owner's document over the one with the beat `before`. False: there is none such.
  enum class Upsert : std::uint8_t { no, yes };
  Result<bool> replace_owner(PrimaryLink& link, const std::string& before, const std::string& beat,
                             Upsert upsert) const;
  Result<void> upsert(const std::string& id, bson::Document document);
  std::string beat_text(std::uint64_t number) const;
  void beat(const std::stop_token& stop);
  void stop_beating();

  PrimaryLink& link_;
  mongo::Deployment& target_;
  Context& context_;
  const std::string identity_;
  const std::string process_;  // chosen at random
  bool is_begun_ = false;
  std::string seen_beat_;
  std::map<std::string, CollectionMark> marks_;
  std::atomic<bool> is_lost_ = false;
  TaskGroup beating_;
};

}  // namespace holdfast::recover
