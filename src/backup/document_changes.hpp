#pragma once
// Which documents and collections an entry of the oplog changes, also inside applyOps. Pieces of
// transactions count, whether these commit or not. Pure.
#include <optional>

#include "oplog/entry.hpp"

namespace holdfast::backup {

class ChangeVisitor {
 public:
  virtual ~ChangeVisitor() = default;
  // `id`: nothing if the entry does not tell. Views are valid during the call.
  virtual Result<void> document(const oplog::Entry& entry,
                                const std::optional<bson::Value>& id) = 0;
  // Any command but applyOps.
  virtual Result<void> command(const oplog::Entry& entry) = 0;
  // An operation that can not be read.
  virtual Result<void> unknown() = 0;
};

// Errors: malformed (a list that is none), those of the visitor.
Result<void> visit_changes(const oplog::Entry& entry, ChangeVisitor& visitor);

}  // namespace holdfast::backup
