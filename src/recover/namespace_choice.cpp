#include "recover/namespace_choice.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "dataset/mongo_collection.hpp"
#include "recover/live_catalog.hpp"

namespace holdfast::recover {

NamespaceName split_namespace(std::string_view ns) {
  const std::size_t dot = ns.find('.');
  return {std::string(ns.substr(0, dot)), std::string(ns.substr(dot + 1))};
}

NamespaceChoice::Pattern NamespaceChoice::split(std::string_view text) {
  const std::size_t dot = text.find('.');
  Pattern pattern{std::string(text.substr(0, dot)), {}};
  if (dot != std::string_view::npos) pattern.collection = std::string(text.substr(dot + 1));
  if (pattern.collection == "*") pattern.collection.clear();
  return pattern;
}

Result<NamespaceChoice::Pattern> NamespaceChoice::parse(std::string_view text) {
  Pattern pattern = split(text);
  if (!dataset::is_database_name(pattern.db) || text.ends_with('.'))
    return fail(ErrorCode::usage,
                fmt::format("'{}' is no namespace: give db or db.collection", text));
  return pattern;
}

namespace {

bool has_empty_part(std::string_view name) {
  return name.starts_with('.') || name.ends_with('.') || name.find("..") != std::string_view::npos;
}

// What is wrong with a name for somebody's data; empty: nothing.
std::string_view fault_of_database(std::string_view db) {
  if (!dataset::is_database_name(db))
    return "the name of a database has 1 to 63 bytes and none of / \\ . \" $ and blank";
  if (db == notes_database) return "that database is ours, for the notes of a restore";
  if (db == "admin" || db == "config" || db == "local") return "that database is the server's own";
  return {};
}

std::string_view fault_of_collection(std::string_view collection) {
  constexpr std::string_view refused("$*\0", 3);
  if (collection.empty()) return {};
  if (has_empty_part(collection)) return "a part of the name is empty";
  if (collection.find_first_of(refused) != std::string_view::npos)
    return "the name of a collection has no $, no * and no zero byte";
  if (("." + std::string(collection)).find(".system.") != std::string::npos)
    return "collections of system.* are the server's own";
  return {};
}

}  // namespace

Result<void> NamespaceChoice::check_target(const Pattern& to, std::string_view rename) {
  std::string_view fault = fault_of_database(to.db);
  if (fault.empty()) fault = fault_of_collection(to.collection);
  if (fault.empty() && to.db.size() + 1 + to.collection.size() > namespace_bytes_max)
    fault = "a namespace has at most 255 bytes";
  if (fault.empty()) return {};
  return fail(ErrorCode::usage, fmt::format("--rename {}: {}", rename, fault));
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
    Pattern to = split(std::string_view(text).substr(equals + 1));
    if (text.ends_with('.'))
      return fail(ErrorCode::usage, fmt::format("--rename {}: a part of the name is empty", text));
    TRY(check_target(to, text));
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
