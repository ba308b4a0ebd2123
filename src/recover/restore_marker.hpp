#pragma once
// What an unfinished restore notes on its target, in `holdfast_restore.progress`, so that it can go
// on: one document for the restore and one for each collection.
#include <map>

#include "recover/primary_link.hpp"

namespace holdfast::recover {

enum class RestoreState : std::uint8_t {
  writing,  // created by us; documents up to `confirmed_key` are there
  written,  // all documents are there
  placed    // in place: compared, and renamed over the old collection
};

struct CollectionMark {
  RestoreState state = RestoreState::writing;
  Bytes confirmed_key;  // K(_id), see bson/key.hpp; empty: none
};

// One thread.
class RestoreMarker {
 public:
  // `identity`: what makes two restores the same one; for people too, so it is readable.
  RestoreMarker(PrimaryLink& link, std::string identity)
      : link_(link), identity_(std::move(identity)) {}

  // Error refused: another restore is unfinished here (the message names it).
  Result<void> load();
  bool is_begun() const { return is_begun_; }
  const CollectionMark* find(const std::string& target_ns) const;

  Result<void> begin();
  Result<void> save(const std::string& target_ns, const CollectionMark& mark);
  // The restore is done: nothing is left behind.
  Result<void> remove();

 private:
  Result<void> upsert(const std::string& id, bson::Document document);

  PrimaryLink& link_;
  std::string identity_;
  bool is_begun_ = false;
  std::map<std::string, CollectionMark> marks_;
};

}  // namespace holdfast::recover
