#pragma once
// Which namespaces an export takes and what they are called there: `--only` and `--rename`. Pure.
#include <string>
#include <vector>

#include "base/result.hpp"

namespace holdfast::recover {

struct NamespaceName {
  std::string db;
  std::string collection;

  std::string ns() const { return db + "." + collection; }
  friend bool operator==(const NamespaceName&, const NamespaceName&) = default;
};

// What servers take.
constexpr std::size_t namespace_bytes_max = 255;

// Splits at the first dot. REQUIRES: there is one.
NamespaceName split_namespace(std::string_view ns);

// Immutable.
class NamespaceChoice {
 public:
  // `only`: "db", "db.*" or "db.collection"; empty: all. `renames`: "a=b" of two databases, or
  // "a.x=b.y" of two collections, each name once; what belongs to the server or to us is no
  // new name. Error: usage.
  static Result<NamespaceChoice> make(const std::vector<std::string>& only,
                                      const std::vector<std::string>& renames);

  // `existed`: the namespaces that are taken, as they were. Error not_found (usage for a wildcard)
  // when an argument is about none of them; it is named.
  Result<void> require_known(const std::vector<std::string>& existed) const;

  bool takes(std::string_view ns) const;
  bool takes_all() const { return only_.empty(); }
  bool renames_any() const { return !renames_.empty(); }
  // A rename of the collection goes before one of its database.
  NamespaceName name_of(std::string_view ns) const;

 private:
  struct Pattern {
    std::string db;
    std::string collection;  // empty: all of the database

    bool matches(const NamespaceName& name) const {
      return db == name.db && (collection.empty() || collection == name.collection);
    }
    friend bool operator==(const Pattern&, const Pattern&) = default;
  };
  struct Rename {
    Pattern from;
    Pattern to;
  };
  static Result<void> check_known(const Pattern& pattern, std::string_view argument,
                                  const std::vector<std::string>& existed);
  Result<void> add_rename(const std::string& text);
  static Pattern split(std::string_view text);
  static Result<Pattern> parse(std::string_view text);
  static Result<void> check_target(const Pattern& to, std::string_view rename);
  static std::string text_of(const Pattern& pattern);

  std::vector<Pattern> only_;
  std::vector<Rename> renames_;
};

}  // namespace holdfast::recover
