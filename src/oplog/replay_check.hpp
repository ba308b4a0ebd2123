#pragma once
// Whether an entry can be replayed at all, told when it is captured: what docs/oplog_format.md 5.4
// refuses is found then and not when somebody needs the moments behind it. All that can be seen
// from the entry alone; whether it fits a base is another matter.
#include "oplog/entry.hpp"
#include "oplog/update.hpp"

namespace holdfast::oplog {

// One thread; reuse it.
class ReplayCheck {
 public:
  explicit ReplayCheck(EntryRules rules = {}) : rules_(std::move(rules)) {}

  // Errors: unsupported, malformed, limit_exceeded, corrupt: why no moment behind it can be
  // computed.
  Result<void> check(ByteView entry);

 private:
  Result<void> check(const Entry& entry, int depth);
  Result<void> check_document(const Entry& entry);
  Result<void> check_command(const Entry& entry) const;

  EntryRules rules_;
  UpdateCheck updates_;
};

}  // namespace holdfast::oplog
