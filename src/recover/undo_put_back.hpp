#pragma once
// Takes a put-back (undelete_mongo.hpp) back by its undo point, where the server still has what it
// wrote.
#include "mongo/deployment.hpp"
#include "recover/namespace_choice.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

enum class UndoMode : std::uint8_t { preview, write };

struct UndoRequest {
  std::string undo_point;  // id of the snapshot, or its beginning
  std::string dataset;     // that it must be of; empty: any
  UndoMode mode = UndoMode::write;
};

// In a preview: what would be done.
struct UndoneCollection {
  std::string target_ns;
  std::uint64_t removed = 0;   // documents that the put-back had inserted
  std::uint64_t replaced = 0;  // documents that are again as they were before
  std::uint64_t left = 0;      // changed or removed since: not touched
};

struct UndoResult {
  std::string dataset;
  std::string moment;  // that was put back, for a person
  std::vector<UndoneCollection> collections;
  std::vector<std::string> notes;
  UndoneCollection sum() const;  // of no name
};

// The caller holds a shared lock. Loads the index. Errors: not_found, usage (no undo point, or one
// of another dataset), those of the server.
Result<UndoResult> undo_put_back(repo::Repository& repository, mongo::Deployment& live,
                                 const UndoRequest& request);

}  // namespace holdfast::recover
