#pragma once
// Where a history does not fit its base: counted by namespace in RELAXED, an error in STRICT
// (docs/oplog_format.md 2.2, appendix A.5).
#include "oplog/op_record.hpp"

namespace holdfast::oplog {

struct NamespaceAnomalies {
  std::uint64_t inserts_of_existing = 0;
  std::uint64_t updates_of_missing = 0;
  std::uint64_t deletes_of_missing = 0;
  std::uint64_t mismatches = 0;
  std::uint64_t unknown_collection = 0;

  std::uint64_t total() const;
};

// One thread. Holds a reference to the catalog, for names.
class Anomalies {
 public:
  explicit Anomalies(const Catalog& catalog) : catalog_(catalog) {}

  Result<void> insert_of_existing(const OpRecord& op);
  Result<void> missing(const OpRecord& op);  // an update or delete of a missing document
  void add_mismatches(const OpRecord& op, std::uint64_t count);
  // Adds namespace, document and entry to an error of update application.
  Error in_context(Error error, const OpRecord& op) const;

  // By name as the catalog has it now; nameless collections by UUID.
  std::map<std::string, NamespaceAnomalies> by_namespace() const;

 private:
  Result<void> count(const OpRecord& op, std::uint64_t NamespaceAnomalies::* which,
                     std::string_view what);
  NamespaceAnomalies& of(CollectionNumber collection);
  std::string name_of(CollectionNumber collection) const;

  const Catalog& catalog_;
  std::vector<NamespaceAnomalies> counts_;  // by CollectionNumber
};

}  // namespace holdfast::oplog
