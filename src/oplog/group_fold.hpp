#pragma once
// Folds the operations of one document, whose state before them is not known, into fewer
// (docs/oplog_format.md 6.2). What the first operation expects of the document is kept, so that
// anomalies are found all the same.
#include "oplog/document_state.hpp"
#include "oplog/op_stream.hpp"

namespace holdfast::oplog {

constexpr std::size_t pending_bytes_max = 1024 * 1024;

// One thread. start(first), add(next)..., end().
class GroupFold {
 public:
  GroupFold(DocumentState& state, RunWriter& to) : state_(state), to_(to) {}

  Result<void> start(const OpRecord& first);
  ByteView key() const { return key_; }
  Result<void> add(const OpRecord& op);
  Result<void> end();

 private:
  Result<void> decide(const OpRecord& op);
  Result<void> hold(const OpRecord& op);
  Result<void> write_pending();

  DocumentState& state_;
  RunWriter& to_;
  Bytes key_;
  Bytes pending_;  // encoded operations before the first absolute one
  bool is_pending_strict_ = true;
  bool is_pending_empty_ = true;
  bool is_decided_ = false;  // an absolute operation was seen: `state_` is the document
  OpRecord result_;
};

}  // namespace holdfast::oplog
