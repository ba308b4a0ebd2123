#pragma once
// Looking at single documents of a database through time, without restoring anything: one blob of a
// base and the recorded oplog.
#include "catalog/mongo_points.hpp"
#include "oplog/history.hpp"

namespace holdfast::recover {

struct DocumentQuery {
  std::string dataset;
  std::string ns;           // "db.collection"
  std::string id;           // see parse_document_id
  std::string at = "last";  // for document_at: see catalog::parse_moment
  std::filesystem::path temp_directory;
  oplog::EntryRules rules;
};

// How a person writes an `_id`: a JSON value ({"$oid": "…"}, 7, "text"), 24 hex digits for an
// ObjectId, or else plain text. A document whose only element is the value. Error: usage.
Result<Bytes> parse_document_id(std::string_view text);

// One version and where it was seen.
struct FoundVersion {
  oplog::DocumentVersion version;
  repo::SnapshotId base;  // the base that the history was computed from
};

// Every version, oldest first. Where recorded history has a gap, the versions behind it begin with
// the state of the next base. Loads the index. Errors: usage, not_found (dataset), those of
// oplog::history_of. An `_id` that never existed has no versions.
Result<std::vector<FoundVersion>> versions_of(repo::Repository& repository,
                                              const DocumentQuery& query);

struct DocumentAtMoment {
  std::optional<oplog::Timestamp> at;  // none: a base without a time, as it is
  std::string moment;                  // for a person
  repo::SnapshotId base;
  std::optional<Bytes> document;  // nothing: it did not exist then
};

// Loads the index. Errors as export_mongo.
Result<DocumentAtMoment> document_at(repo::Repository& repository, const DocumentQuery& query);

}  // namespace holdfast::recover
