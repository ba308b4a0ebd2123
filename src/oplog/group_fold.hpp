#pragma once
// Folds the operations of one document, whose state before them is not known, into fewer
// (docs/oplog_format.md 6.2): from the first one that decides the document alone, what follows is
// applied to it at once. What stands before stays as it is, and what the deciding operation expects
// of the document is kept, so that every anomaly is found as without folding.
#include "oplog/document_state.hpp"
#include "oplog/op_stream.hpp"

namespace holdfast::oplog {

// One thread. start(first), add(next)..., end().
class GroupFold {
 public:
  GroupFold(DocumentState& state, RunWriter& to) : state_(state), to_(to) {}

  Result<void> start(const OpRecord& first);
  ByteView key() const { return key_; }
  Result<void> add(const OpRecord& op);
  Result<void> end();

 private:
  DocumentState& state_;
  RunWriter& to_;
  Bytes key_;
  bool is_decided_ = false;  // `state_` is the document
  OpRecord result_;
};

}  // namespace holdfast::oplog
