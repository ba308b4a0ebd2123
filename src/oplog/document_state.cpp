#include "oplog/document_state.hpp"

#include "bson/builder.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;

UpdateKind update_kind_of(EffectKind kind) {
  switch (kind) {
    case EffectKind::delta:
      return UpdateKind::delta;
    case EffectKind::modifiers:
      return UpdateKind::modifiers;
    default:
      return UpdateKind::replacement;
  }
}

bool keeps_identity(Document pre, Document post) {
  if (pre.is_empty()) return true;
  const auto before = *pre.begin();
  if (before.name != "_id") return true;
  if (post.is_empty()) return false;
  const auto after = *post.begin();
  return after.name == "_id" && is_same_identity(before.value, after.value);
}

}  // namespace

Bytes upsert_body(const bson::Value& id, Document o) {
  bson::Builder builder;
  builder.append("_id", id);
  builder.append_document("o", o);
  return builder.take();
}

void DocumentState::start_absent() {
  is_present_ = false;
  document_ = {};
  position_ = {};
}

void DocumentState::start_present(ByteView document, OrderKey position) {
  is_present_ = true;
  document_ = document;
  position_ = position;
}

void DocumentState::put(ByteView document) {
  kept_.assign(document.begin(), document.end());
  document_ = kept_;
  is_present_ = true;
}

Result<void> DocumentState::apply(const OpRecord& op) {
  TRY(check_expectation(op));
  switch (op.kind) {
    case EffectKind::insert:
      put(op.body);
      position_ = op.order;
      return {};
    case EffectKind::remove:
      is_present_ = false;
      return {};
    case EffectKind::replace:
    case EffectKind::delta:
    case EffectKind::modifiers:
      return update(op);
  }
  return {};
}

Result<void> DocumentState::check_expectation(const OpRecord& op) {
  if (op.expectation == Expectation::absent && is_present_)
    return anomalies_.insert_of_existing(op);
  if (op.expectation == Expectation::present && !is_present_) return anomalies_.missing(op);
  return {};
}

Result<void> DocumentState::update(const OpRecord& op) {
  auto o = Document::trusted(op.body);
  if (!op.is_upsert) {
    if (!is_present_) return {};
    return update_present(op, Document::trusted(document_), o);
  }
  const auto id = *o.find("_id");
  o = o.find("o")->as_document();
  if (is_present_) return update_present(op, Document::trusted(document_), o);
  bson::Builder builder;
  builder.append("_id", id);
  position_ = op.order;
  return update_present(op, builder.finish(), o);
}

Result<void> DocumentState::update_present(const OpRecord& op, Document pre, Document o) {
  const auto mismatches = updater_.mismatch_count();
  auto post = updater_.apply(pre, update_kind_of(op.kind), o, op.strictness);
  if (!post) return fail(anomalies_.in_context(std::move(post.error()), op));
  if (updater_.mismatch_count() != mismatches)
    anomalies_.add_mismatches(op, updater_.mismatch_count() - mismatches);
  if (!keeps_identity(pre, *post))
    return fail(anomalies_.in_context(
        fail(ErrorCode::corrupt, "the update changes the document's _id").value(), op));
  document_ = post->bytes();
  is_present_ = true;
  return {};
}

}  // namespace holdfast::oplog
