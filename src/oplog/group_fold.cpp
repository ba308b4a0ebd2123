#include "oplog/group_fold.hpp"

namespace holdfast::oplog {

Result<void> GroupFold::start(const OpRecord& first) {
  key_.assign(first.key.begin(), first.key.end());
  pending_.clear();
  is_pending_strict_ = true;
  is_pending_empty_ = true;
  is_decided_ = false;
  result_ = OpRecord{};
  result_.collection = first.collection;
  return add(first);
}

Result<void> GroupFold::add(const OpRecord& op) {
  if (is_decided_) {
    result_.order = op.order;
    return state_.apply(op);
  }
  return is_absolute(op) ? decide(op) : hold(op);
}

// Strict updates before an absolute operation only prove that the document was there; whether they
// fitted it makes no difference any more. Others may have been ignored, so nothing follows from
// them and they stay.
Result<void> GroupFold::decide(const OpRecord& op) {
  is_decided_ = true;
  result_.order = op.order;
  result_.expectation = op.expectation;
  result_.strictness = op.strictness;
  const bool is_proof =
      !is_pending_empty_ && is_pending_strict_ && op.strictness == Strictness::strict;
  if (is_proof) {
    result_.expectation = Expectation::present;
    state_.start_present({}, {});
    if (op.expectation == Expectation::absent) return state_.apply(op);
  } else {
    TRY(write_pending());
  }
  OpRecord unchecked = op;
  unchecked.expectation = Expectation::nothing;
  if (op.kind == EffectKind::replace) unchecked.kind = EffectKind::insert;
  pending_.clear();
  state_.start_absent();
  return state_.apply(unchecked);
}

Result<void> GroupFold::hold(const OpRecord& op) {
  is_pending_empty_ = false;
  is_pending_strict_ = is_pending_strict_ && op.strictness == Strictness::strict && !op.is_upsert;
  const std::size_t at = pending_.size();
  pending_.resize(at + encoded_bytes(op));
  encode(op, pending_.data() + at);
  if (pending_.size() <= pending_bytes_max) return {};
  is_pending_strict_ = false;
  return write_pending();
}

Result<void> GroupFold::write_pending() {
  for (std::size_t at = 0; at < pending_.size();) {
    TRY(to_.add(decode(result_.collection, pending_.data() + at)));
    at += encoded_bytes(pending_.data() + at);
  }
  pending_.clear();
  return {};
}

Result<void> GroupFold::end() {
  if (!is_decided_) return write_pending();
  result_.key = key_;
  result_.kind = state_.is_present() ? EffectKind::insert : EffectKind::remove;
  result_.body = state_.is_present() ? state_.document() : ByteView();
  return to_.add(result_);
}

}  // namespace holdfast::oplog
