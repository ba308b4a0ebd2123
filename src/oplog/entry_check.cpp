#include "oplog/entry_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "oplog/transactions.hpp"

namespace holdfast::oplog {

Result<bson::Value> addressed_id(const Entry& entry) {
  const auto id = entry.op == Op::update ? entry.o2->find("_id") : entry.o.find("_id");
  if (!id) return refuse(entry, "an operation without _id");
  return *id;
}

Result<UpdateKind> kind_of_update(const Entry& entry, const bson::Value& addressed,
                                  UpdateCheck& check) {
  const auto kind = check.check(entry.o);
  if (!kind) return refuse(entry, kind.error().message);
  const auto id = entry.o.find("_id");
  if (*kind == UpdateKind::replacement && id && !is_same_identity(addressed, *id))
    return refuse(entry, "a replacement with another _id");
  return *kind;
}

Result<void> for_each_operation(const Entry& list, int depth, const EntryRules& rules,
                                const std::function<Result<void>(const Entry&)>& use) {
  if (depth >= nested_lists_max) return refuse(list, "applyOps nested too deeply");
  const auto operations = TRY(operations_of(list));
  for (const auto& element : operations) {
    if (element.value.type != bson::Type::document)
      return refuse(list, "an operation of applyOps that is not a document");
    const auto inner = TRY(Entry::parse_inner(element.value.as_document(), list, rules));
    TRY(use(inner));
  }
  return {};
}

Result<void> require_harmless(const Entry& command, const EntryRules& rules) {
  const auto& assumed = rules.assumed_noop_commands;
  if (std::find(assumed.begin(), assumed.end(), command.command()) != assumed.end()) return {};
  return refuse(command, fmt::format("unknown command '{}'", command.command()));
}

}  // namespace holdfast::oplog
