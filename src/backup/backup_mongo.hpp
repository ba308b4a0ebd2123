#pragma once
// A full copy of a running MongoDB: all databases in parallel by collection and by `_id` range,
// with the oplog of the time it took (docs/mongodump_format.md 3, docs/oplog_format.md 7.7).
//
// Order: catalog; documents, and between rounds the oplog that came meanwhile; catalog again; the
// segments are published, last the base. After each round, and when it ends with an error, what is
// stored is kept as a small snapshot `kind=partial`, from which the next run goes on.
#include "backup/import_mongo.hpp"
#include "catalog/server_identity.hpp"
#include "dataset/change_oplog.hpp"
#include "mongo/deployment.hpp"

namespace holdfast::backup {

struct BackupMongoOptions {
  std::string dataset;
  SnapshotAuthor author;
  std::vector<std::string> tags;
  catalog::OtherServer other_server = catalog::OtherServer::refuse;
  std::filesystem::path temp_directory;  // for the oplog of the window and for sorting
  dataset::HistoryFrom history = dataset::HistoryFrom::oplog;  // of the window
  std::size_t threads = 4;
  std::size_t range_bytes = std::size_t{64} << 20;  // about; what is read again after a cut
  std::chrono::seconds round_time{20};              // between two partial snapshots
  std::uint64_t max_rate = 0;                       // bytes of documents a second; 0: no limit
  // Pauses while more operations than this wait in the server's queues, or while a member lags more
  // than this behind; each pause is at most pause_max, then it goes on with a warning. 0: no limit.
  std::uint32_t max_load = 0;
  std::chrono::seconds lag_max{0};
  std::chrono::seconds pause_max{60};
  std::size_t sort_memory_bytes_max = std::size_t{128} << 20;
  repo::WriterOptions writer;
};

struct BackupMongoResult {
  MongoImportResult base;  // snapshot ids, collections with count and digest, window, notes
  std::string server_version;
  std::string member;            // "host:port" that was read
  std::uint64_t bytes_read = 0;  // of documents
  std::uint64_t ranges_read = 0;
  std::uint64_t ranges_resumed = 0;  // stored by a run before, not read again
};

// The caller holds a shared lock on the repository. Loads the index. Errors: usage (name), denied,
// refused (the dataset records another server),
// server_unreachable (what is stored is kept), history_lost (the oplog does not reach back to the
// begin of the copy any more), conflict (recorded history contradicts the server's: a rollback, or
// another server; or the catalog changed in a way that the oplog does not tell), interrupted.
Result<BackupMongoResult> backup_mongo(repo::Repository& repository, mongo::Deployment& deployment,
                                       const BackupMongoOptions& options);

}  // namespace holdfast::backup
