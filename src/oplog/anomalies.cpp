#include "oplog/anomalies.hpp"

#include <fmt/format.h>

#include "bson/ext_json.hpp"

namespace holdfast::oplog {

namespace {

// As readable as the operation allows: deltas only carry the key.
std::string document_text(const OpRecord& op) {
  if (!op.body.empty() && op.kind != EffectKind::delta && op.kind != EffectKind::modifiers) {
    const auto id = bson::Document::trusted(op.body).find("_id");
    if (id) return fmt::format("_id {}", bson::to_ext_json(*id, bson::JsonForm::relaxed));
  }
  return fmt::format("key {}", to_hex(op.key));
}

}  // namespace

std::uint64_t NamespaceAnomalies::total() const {
  return inserts_of_existing + updates_of_missing + deletes_of_missing + mismatches +
         unknown_collection;
}

Result<void> Anomalies::insert_of_existing(const OpRecord& op) {
  return count(op, &NamespaceAnomalies::inserts_of_existing, "insert of an existing document");
}

Result<void> Anomalies::missing(const OpRecord& op) {
  if (op.kind == EffectKind::remove)
    return count(op, &NamespaceAnomalies::deletes_of_missing, "delete of a missing document");
  return count(op, &NamespaceAnomalies::updates_of_missing, "update of a missing document");
}

void Anomalies::add_mismatches(const OpRecord& op, std::uint64_t count) {
  of(op.collection).mismatches += count;
}

Error Anomalies::in_context(Error error, const OpRecord& op) const {
  error.message = fmt::format("oplog entry {}: '{}' {}: {}", to_text(op.order.entry),
                              name_of(op.collection), document_text(op), error.message);
  return error;
}

Result<void> Anomalies::count(const OpRecord& op, std::uint64_t NamespaceAnomalies::* which,
                              std::string_view what) {
  if (op.strictness == Strictness::strict)
    return fail(in_context(fail(ErrorCode::anomaly, std::string(what)).value(), op));
  ++(of(op.collection).*which);
  return {};
}

NamespaceAnomalies& Anomalies::of(CollectionNumber collection) {
  if (collection >= counts_.size()) counts_.resize(collection + std::size_t{1});
  return counts_[collection];
}

std::string Anomalies::name_of(CollectionNumber collection) const {
  const auto& facts = catalog_.at(collection).facts;
  return facts.ns.empty() ? facts.uuid.hex() : facts.ns;
}

std::map<std::string, NamespaceAnomalies> Anomalies::by_namespace() const {
  std::map<std::string, NamespaceAnomalies> named;
  for (CollectionNumber number = 0; number < counts_.size(); ++number) {
    if (counts_[number].total() == 0) continue;
    auto& sum = named[name_of(number)];
    sum.inserts_of_existing += counts_[number].inserts_of_existing;
    sum.updates_of_missing += counts_[number].updates_of_missing;
    sum.deletes_of_missing += counts_[number].deletes_of_missing;
    sum.mismatches += counts_[number].mismatches;
  }
  return named;
}

}  // namespace holdfast::oplog
