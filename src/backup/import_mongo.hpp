#pragma once
// Imports a dump of a MongoDB database: documents, catalog and oplog become snapshots of a dataset
// from which any recorded second can be computed (docs/mongodump_format.md).
//
// The oplog is stored first, as segments in a snapshot of its own; the last step publishes the base
// snapshot, a tree that looks like mongodump's directory. An import that is interrupted can simply
// be repeated.
#include "backup/backup_files.hpp"
#include "dataset/mongo_manifest.hpp"
#include "dataset/mongo_segments.hpp"

namespace holdfast::backup {

struct MongoImportOptions {
  std::string dataset;
  std::filesystem::path dump;                  // directory or archive
  std::optional<std::filesystem::path> oplog;  // concatenated entries, plain or gzip
  SnapshotAuthor author;
  std::vector<std::string> tags;
  std::optional<WallTime> time;          // default: when the run starts
  std::filesystem::path temp_directory;  // for archives and for sorting
  std::size_t sort_memory_bytes_max = std::size_t{128} << 20;
  repo::WriterOptions writer;
};

struct ImportedCollection {
  std::string ns;
  std::string type;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t chunk_count = 0;
  std::uint64_t chunk_new_count = 0;
  bson::Digest256 digest;
};

struct MongoImportResult {
  std::optional<repo::SnapshotId> snapshot;           // the base; none: there was only an oplog
  std::optional<repo::SnapshotId> segments_snapshot;  // none: no new oplog entries
  std::optional<oplog::BaseWindow> window;
  std::vector<ImportedCollection> collections;  // ascending by namespace
  std::optional<dataset::IntakeReport> oplog;   // none: there was no oplog
  // Moments that can now be recovered from this base; none: only as it is, without a time.
  std::optional<oplog::Timestamp> recoverable_from;
  std::optional<oplog::Timestamp> recoverable_to;
  repo::SnapshotSummary summary;
  std::vector<std::string> notes;  // for a person
};

// The caller holds a shared lock on the repository. Loads the index. Errors: usage (name), those of
// dataset::open_dump, conflict (the oplog contradicts what is recorded: a rollback), interrupted.
Result<MongoImportResult> import_mongo(repo::Repository& repository,
                                       const MongoImportOptions& options);

}  // namespace holdfast::backup
