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
  for (const std::string& text : renames) TRY(choice.add_rename(text));
  return choice;
}

Result<void> NamespaceChoice::add_rename(const std::string& text) {
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
  for (const Rename& earlier : renames_) {
    if (earlier.from == from)
      return fail(ErrorCode::usage,
                  fmt::format("--rename {}: {} has another new name already", text, text_of(from)));
    if (earlier.to == to)
      return fail(ErrorCode::usage, fmt::format("--rename {}: {} is to be called {} already", text,
                                                text_of(earlier.from), text_of(to)));
  }
  renames_.push_back({std::move(from), std::move(to)});
  return {};
}

std::string NamespaceChoice::text_of(const Pattern& pattern) {
  return pattern.collection.empty() ? pattern.db : pattern.db + "." + pattern.collection;
}

Result<void> NamespaceChoice::check_known(const Pattern& pattern, std::string_view argument,
                                          const std::vector<std::string>& existed) {
  const bool is_known = std::any_of(existed.begin(), existed.end(), [&](const std::string& ns) {
    return pattern.matches(split_namespace(ns));
  });
  if (is_known) return {};
  const std::string name = text_of(pattern);
  if (name.find('*') != std::string::npos)
    return fail(ErrorCode::usage, fmt::format("{}: nothing is called {}, and no wildcards are "
                                              "understood but DB.*: give DB, DB.* or "
                                              "DB.COLLECTION",
                                              argument, name));
  return fail(ErrorCode::not_found,
              fmt::format("{}: {} did not exist at that moment{}", argument, name,
                          argument.starts_with("--rename") ? ", or --only leaves it out" : ""));
}

Result<void> NamespaceChoice::require_known(const std::vector<std::string>& existed) const {
  for (const Pattern& pattern : only_)
    TRY(check_known(pattern, "--only " + text_of(pattern), existed));
  for (const Rename& each : renames_)
    TRY(check_known(each.from, fmt::format("--rename {}={}", text_of(each.from), text_of(each.to)),
                    existed));
  return {};
}

bool NamespaceChoice::takes(std::string_view ns) const {
  if (only_.empty()) return true;
  const NamespaceName name = split_namespace(ns);
  return std::any_of(only_.begin(), only_.end(),
                     [&](const Pattern& pattern) { return pattern.matches(name); });
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
