#include "recover/namespace_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "dataset/mongo_collection.hpp"

namespace holdfast::recover {

NamespaceName split_namespace(std::string_view ns) {
  const std::size_t dot = ns.find('.');
  return {std::string(ns.substr(0, dot)), std::string(ns.substr(dot + 1))};
}

Result<NamespaceChoice::Pattern> NamespaceChoice::parse(std::string_view text) {
  const std::size_t dot = text.find('.');
  Pattern pattern{std::string(text.substr(0, dot)), {}};
  if (dot != std::string_view::npos) pattern.collection = std::string(text.substr(dot + 1));
  const bool has_empty_collection = dot != std::string_view::npos && pattern.collection.empty();
  if (pattern.collection == "*") pattern.collection.clear();
  if (!dataset::is_database_name(pattern.db) || has_empty_collection)
    return fail(ErrorCode::usage,
                fmt::format("'{}' is no namespace: give db or db.collection", text));
  return pattern;
}

Result<NamespaceChoice> NamespaceChoice::make(const std::vector<std::string>& only,
                                              const std::vector<std::string>& renames) {
  NamespaceChoice choice;
  for (const std::string& text : only) {
    Pattern pattern = TRY(parse(text));
    choice.only_.push_back(std::move(pattern));
  }
  for (const std::string& text : renames) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
      return fail(ErrorCode::usage, fmt::format("'{}' is no rename: give a=b", text));
    Pattern from = TRY(parse(std::string_view(text).substr(0, equals)));
    Pattern to = TRY(parse(std::string_view(text).substr(equals + 1)));
    if (from.collection.empty() != to.collection.empty())
      return fail(ErrorCode::usage,
                  fmt::format("'{}' renames a database to a collection or the reverse", text));
    choice.renames_.push_back({std::move(from), std::move(to)});
  }
  return choice;
}

bool NamespaceChoice::takes(std::string_view ns) const {
  if (only_.empty()) return true;
  const NamespaceName name = split_namespace(ns);
  return std::any_of(only_.begin(), only_.end(), [&](const Pattern& pattern) {
    return pattern.db == name.db &&
           (pattern.collection.empty() || pattern.collection == name.collection);
  });
}

NamespaceName NamespaceChoice::name_of(std::string_view ns) const {
  NamespaceName name = split_namespace(ns);
  for (const Rename& rename : renames_) {
    if (rename.from.db == name.db && rename.from.collection == name.collection)
      return {rename.to.db, rename.to.collection};
  }
  for (const Rename& rename : renames_) {
    if (rename.from.db == name.db && rename.from.collection.empty())
      return {rename.to.db, name.collection};
  }
  return name;
}

}  // namespace holdfast::recover
