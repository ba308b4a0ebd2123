#include "oplog/group_fold.hpp"

namespace holdfast::oplog {

Result<void> GroupFold::start(const OpRecord& first) {
  key_.assign(first.key.begin(), first.key.end());
  is_decided_ = false;
  return add(first);
}

Result<void> GroupFold::add(const OpRecord& op) {
  if (is_decided_) {
    result_.order = op.order;
    return state_.apply(op);
  }
  if (!is_absolute(op)) return to_.add(op);
  is_decided_ = true;
  result_ = OpRecord{};
  result_.collection = op.collection;
  result_.order = op.order;
  result_.expectation = op.expectation;
  result_.strictness = op.strictness;
  OpRecord unchecked = op;
  unchecked.expectation = Expectation::nothing;
  if (op.kind == EffectKind::replace) unchecked.kind = EffectKind::insert;
  state_.start_absent();
  return state_.apply(unchecked);
}

Result<void> GroupFold::end() {
  if (!is_decided_) return {};
  result_.key = key_;
  result_.kind = state_.is_present() ? EffectKind::insert : EffectKind::remove;
  result_.body = state_.is_present() ? state_.document() : ByteView();
  return to_.add(result_);
}

}  // namespace holdfast::oplog
