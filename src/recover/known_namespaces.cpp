#include "recover/known_namespaces.hpp"

#include <fmt/format.h>

#include <map>

#include "recover/restorable.hpp"

namespace holdfast::recover {

Result<void> require_known(const NamespaceChoice& choice,
                           const std::vector<ExpectedCollection>& expected) {
  std::vector<std::string> existed;
  existed.reserve(expected.size());
  for (const ExpectedCollection& each : expected) existed.push_back(each.collection.facts.ns());
  return choice.require_known(existed);
}

Result<void> require_meant(MomentStream& moment) {
  const NamespaceChoice& choice = moment.choice();
  if (choice.takes_all() && !choice.renames_any()) return {};
  const auto expected = TRY(moment.expect());
  TRY(require_known(choice, expected));
  std::map<std::string, std::string> sources;
  for (const ExpectedCollection& each : expected) {
    if (what_of(each.collection) != Restorable::documents) continue;
    const std::string ns = each.collection.facts.ns();
    const std::string target = choice.name_of(ns).ns();
    if (target.size() > namespace_bytes_max)
      return fail(ErrorCode::usage,
                  fmt::format("{} would be called {}: a namespace has at most {} bytes", ns, target,
                              namespace_bytes_max));
    const auto [other, is_new] = sources.emplace(target, ns);
    if (!is_new)
      return fail(ErrorCode::usage,
                  fmt::format("{} and {} would both be called {}", other->second, ns, target));
  }
  return {};
}

}  // namespace holdfast::recover
