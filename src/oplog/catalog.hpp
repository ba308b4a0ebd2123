#pragma once
// The collections of a replica set as entries change them, keyed by UUID; nothing is keyed by name
// (docs/oplog_format.md 2.7, 2.12, section 5). Pure value; one thread.
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "oplog/entry.hpp"
#include "oplog/facts.hpp"

namespace holdfast::oplog {

// Dense number of a collection within one catalog, in order of appearance.
using CollectionNumber = std::uint32_t;

struct CatalogCollection {
  CollectionFacts facts;  // ns is empty while the name is taken by another (RELAXED)
  bool is_in_base = false;
  bool is_excluded = false;
  std::optional<OrderKey> dropped;
  std::optional<OrderKey> emptied;  // effects up to here, and the base's documents, are gone
  std::vector<std::pair<OrderKey, std::string>> names;  // every name it had, ascending

  bool is_alive() const { return !dropped.has_value(); }
};

struct CommandEffect {
  bool is_known = true;  // false: nobody here knows the command
};

class Catalog {
 public:
  // Starts from a base. Errors: corrupt (a UUID or a name twice, a malformed document).
  static Result<Catalog> make(std::vector<CollectionFacts> base);

  const CatalogCollection& at(CollectionNumber number) const { return collections_[number]; }
  CollectionNumber size() const { return static_cast<CollectionNumber>(collections_.size()); }
  std::optional<CollectionNumber> find(const Uuid& uuid) const;
  std::optional<CollectionNumber> find_name(std::string_view ns) const;  // alive ones

  // Applies a `c` entry other than applyOps and the transaction commands. Errors: anomaly (STRICT),
  // unsupported (a member or form that must be refused), malformed.
  // is_known is false, and nothing changed, for commands not in the table and not in the list of
  // those without effect.
  Result<CommandEffect> apply(const Entry& entry, const OrderKey& order, Strictness strictness);

  std::vector<IndexBuildInProgress> builds_in_progress() const;
  std::uint64_t anomaly_count() const { return anomaly_count_; }  // absorbed in RELAXED
  std::uint64_t ignored_count() const { return ignored_count_; }  // commands without effect
  // Collections whose name was taken and not given back. Empty for a consistent moment.
  std::vector<Uuid> hidden() const;

 private:
  struct Change;  // one command: entry, order, strictness (catalog_commands.cpp)
  struct Build {
    CollectionNumber collection;
    Timestamp started;
    std::vector<Bytes> specs;
  };

  Result<void> create(const Change& change);
  Result<void> create_again(const Change& change, CollectionNumber number, std::string_view ns);
  Result<void> drop(const Change& change);
  Result<void> rename(const Change& change);
  Result<void> drop_target(const Change& change, std::string_view to);
  Result<void> empty_capped(const Change& change);
  Result<void> drop_database(const Change& change);
  Result<void> create_indexes(const Change& change);
  Result<void> start_build(const Change& change);
  Result<void> commit_build(const Change& change);
  Result<void> abort_build(const Change& change);
  Result<void> drop_indexes(const Change& change);
  Result<void> modify(const Change& change);
  Result<void> modify_index(const Change& change, CollectionNumber number, bson::Document index);

  // The collection a command is about: by UUID, or by name for entries without one. Nothing:
  // unknown, absorbed (RELAXED).
  Result<std::optional<CollectionNumber>> target(const Change& change);
  Result<void> anomaly(const Change& change, std::string what);
  Result<void> add_index(const Change& change, CollectionNumber number, ByteView spec);
  Result<void> make_room(const Change& change, std::string_view ns, CollectionNumber keeper);
  CollectionNumber add(CollectionFacts facts);
  void set_name(CollectionNumber number, std::string_view ns, const OrderKey& order);
  void end(CollectionNumber number, const OrderKey& order);

  std::vector<CatalogCollection> collections_;
  std::unordered_map<Uuid, CollectionNumber, UuidHash> by_uuid_;
  std::map<std::string, CollectionNumber, std::less<>> by_name_;
  std::map<Uuid, Build> builds_;
  std::uint64_t anomaly_count_ = 0;
  std::uint64_t ignored_count_ = 0;
};

}  // namespace holdfast::oplog
