#include "backup/document_changes.hpp"

#include "oplog/transactions.hpp"

namespace holdfast::backup {

namespace {

constexpr int depth_max = 10;  // of applyOps in applyOps

Result<void> visit(const oplog::Entry& entry, ChangeVisitor& visitor, int depth) {
  switch (entry.op) {
    case oplog::Op::insert:
    case oplog::Op::remove:
      return visitor.document(entry, entry.o.find("_id"));
    case oplog::Op::update:
      return visitor.document(entry, entry.o2 ? entry.o2->find("_id") : entry.o.find("_id"));
    case oplog::Op::command:
      break;
    default:
      return {};
  }
  if (entry.command() != "applyOps") return visitor.command(entry);
  if (depth == depth_max) return visitor.unknown();
  const auto list = TRY(oplog::operations_of(entry));
  for (const auto& element : list) {
    if (element.value.type != bson::Type::document) continue;
    const auto inner = oplog::Entry::parse_inner(element.value.as_document(), entry, {});
    TRY(inner.has_value() ? visit(*inner, visitor, depth + 1) : visitor.unknown());
  }
  return {};
}

}  // namespace

Result<void> visit_changes(const oplog::Entry& entry, ChangeVisitor& visitor) {
  return visit(entry, visitor, 0);
}

}  // namespace holdfast::backup
