#pragma once
// What is refused of an entry by itself (docs/oplog_format.md 5.4), in one place: for replaying it
// and for telling beforehand that nobody will.
#include <functional>

#include "oplog/entry.hpp"
#include "oplog/update.hpp"

namespace holdfast::oplog {

constexpr int nested_lists_max = 10;

// The `_id` that an insert, update or delete is about. Error: unsupported (there is none).
Result<bson::Value> addressed_id(const Entry& entry);
// All that can be wrong by itself with an update of the document `addressed`. REQUIRES: Op::update.
// Error: unsupported.
Result<UpdateKind> kind_of_update(const Entry& entry, const bson::Value& addressed,
                                  UpdateCheck& check);
// The operations of an applyOps that stands `depth` deep in others. Errors: unsupported, malformed,
// those of `use`.
Result<void> for_each_operation(const Entry& list, int depth, const EntryRules& rules,
                                const std::function<Result<void>(const Entry&)>& use);
// A command that nobody here knows. Error: unsupported, unless a person calls it harmless.
Result<void> require_harmless(const Entry& command, const EntryRules& rules);

}  // namespace holdfast::oplog
