#pragma once
// Which replica set a dataset records, so that another one is not taken for it: a mistyped name of
// a dataset would look like a rollback of everything. Kept as tags of snapshots: `set=rs0`,
// `set-id=…` (settings.replicaSetId, which a set has from its first day). Pure.
#include <string>
#include <vector>

#include "repo/repository.hpp"

namespace holdfast::catalog {

// Empty: not known. A lone server has neither.
struct ServerIdentity {
  std::string set_name;
  std::string set_id;  // 24 hex digits
  friend bool operator==(const ServerIdentity&, const ServerIdentity&) = default;
};

enum class OtherServer : std::uint8_t { refuse, accept };

// As snapshots of what this server holds are tagged.
std::vector<std::string> identity_tags(const ServerIdentity& identity);
// What the tags of a snapshot say.
ServerIdentity identity_of(const repo::Snapshot& snapshot);
// Of the newest snapshot of the dataset that says something.
ServerIdentity recorded_identity(const std::vector<repo::StoredSnapshot>& snapshots,
                                 std::string_view dataset);

// What is not known on either side speaks against nothing. Error: refused, names both.
Result<void> check_identity(const ServerIdentity& recorded, const ServerIdentity& given,
                            std::string_view dataset, OtherServer other);
// The tags for what is now stored of `given` in the dataset, once it is checked.
Result<std::vector<std::string>> checked_tags(const std::vector<repo::StoredSnapshot>& snapshots,
                                              const ServerIdentity& given, std::string_view dataset,
                                              OtherServer other);

}  // namespace holdfast::catalog
