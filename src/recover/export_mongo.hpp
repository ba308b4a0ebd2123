#pragma once
// Writes a database as it was at any recorded moment, in the form that mongorestore reads. The
// state is computed, not replayed: no server is needed.
#include "bson/digest.hpp"
#include "catalog/mongo_moment.hpp"
#include "dataset/mongo_dump_writer.hpp"
#include "oplog/materialise.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

// Collections that are half-done work of the server ($out, renames over databases): a server drops
// them when it starts.
enum class Temporaries : std::uint8_t { leave_out, keep };
// `<db>.system.views` as a file of its own. `as_recorded`: in directories, if the base had it;
// mongorestore makes views from their metadata alone.
enum class ViewCatalog : std::uint8_t { as_recorded, leave_out };

struct MongoExportOptions {
  std::string dataset;
  std::string at = "last";              // see catalog::parse_moment
  std::optional<std::string> snapshot;  // this base as it is, instead of a moment
  dataset::DumpTarget target;
  std::vector<std::string> only;  // see NamespaceChoice
  std::vector<std::string> renames;
  Temporaries temporaries = Temporaries::leave_out;
  ViewCatalog view_catalog = ViewCatalog::as_recorded;
  std::size_t memory_bytes_max = std::size_t{512} << 20;
  std::filesystem::path temp_directory;
  oplog::InDoubt in_doubt = oplog::InDoubt::refuse;
  oplog::EntryRules rules;
};

struct ExportedCollection {
  std::string ns;         // as it was
  std::string target_ns;  // as it was written
  std::string type;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  bson::Digest256 digest;
  std::uint64_t trimmed_count = 0;
  bool is_approximate_tail = false;  // capped: the server may have kept more or fewer
};

struct MongoExportResult {
  repo::SnapshotId base;
  std::optional<oplog::Timestamp> at;  // none: a base without a time, as it is
  std::string moment;                  // the same for a person
  std::vector<ExportedCollection> collections;
  std::vector<std::string> left_out;                 // temporary collections
  std::optional<oplog::MaterialiseReport> computed;  // none: the base's own moment
  std::vector<std::string> notes;

  std::uint64_t document_count() const;
};

// Loads the index. Errors: usage, not_found (dataset, snapshot), no_point (names the nearest
// moments), exists (target), corrupt (a base is not what its manifest says), those of
// oplog::materialise.
Result<MongoExportResult> export_mongo(repo::Repository& repository,
                                       const MongoExportOptions& options);

}  // namespace holdfast::recover
