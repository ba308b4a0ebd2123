#pragma once
// The next base of a database without reading a server: the newest base brought to the newest
// recorded moment T. Only chunks that an oplog entry touches are read and written; all others are
// taken over by their name. What comes out has the chunks, digests and tree of a full backup of the
// same documents, and is exact at T.
//
// Chunks that can be taken over: those whose `_id` range and whose successor's first document are
// untouched, while the writer stands between two chunks; after a change it is in step again where a
// boundary falls on an old one (docs/mongodump_format.md 3).
#include "backup/full_choice.hpp"
#include "backup/rewrite_estimate.hpp"
#include "backup/sample_check.hpp"
#include "catalog/snapshot_author.hpp"
#include "oplog/materialise.hpp"
#include "repo/writer.hpp"

namespace holdfast::backup {

struct SyntheticOptions {
  std::string dataset;
  catalog::SnapshotAuthor author;
  std::vector<std::string> tags;
  std::optional<WallTime> time;          // default: when the run starts
  std::filesystem::path temp_directory;  // for sorting
  std::size_t memory_bytes_max = std::size_t{512} << 20;
  oplog::EntryRules rules;
  RewritePolicy rewrite;
  repo::WriterOptions writer;
  LiveDocuments* live = nullptr;  // compared with before the base is published; null: not checked
  std::size_t sample_count = 16;
  SampleCheckOptions check;
};

struct SyntheticCollection {
  std::string ns;
  std::string type;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t chunk_count = 0;
  std::uint64_t chunk_kept_count = 0;  // taken over without being read
  std::uint64_t chunk_new_count = 0;   // stored by this run
  bson::Digest256 digest;
};

// A base that was not computed, because the one before it and the recorded oplog are cheaper.
struct DeferredBase {
  std::uint64_t rewrite_bytes = 0;  // of documents that it would have read again; at least
  Recorded recorded;
};

struct SyntheticResult {
  // None: nothing was recorded since the base, it was put off, or the check failed.
  std::optional<repo::SnapshotId> snapshot;
  std::optional<DeferredBase> deferred;
  repo::SnapshotId previous;  // the base it was made from
  oplog::Timestamp at;
  // The moments that can be recovered, from the oldest base that the same oplog continues.
  std::optional<oplog::Recoverable> window;
  std::vector<SyntheticCollection> collections;  // ascending by namespace
  std::optional<oplog::MaterialiseReport> computed;
  // Failed: the finding is recorded, so that the next backup reads the server (full_choice.hpp).
  std::optional<SampleReport> check;
  std::uint64_t chunk_read_count = 0;  // of the base
  repo::SnapshotSummary summary;
  std::vector<std::string> notes;  // for a person
};

// The caller holds a shared lock on the repository. Loads the index. Errors: no_point (no base with
// a window), history_lost (a gap after the base), anomaly (also a damaged base), unsupported (an
// entry, or a change, that can not be followed from this base), those of oplog::materialise, of the
// store and of the server; interrupted. Each of the first says that a full backup is needed and
// why.
Result<SyntheticResult> synthetic_full(repo::Repository& repository,
                                       const SyntheticOptions& options);

}  // namespace holdfast::backup
