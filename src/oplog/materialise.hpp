#pragma once
// The state of a replica set at a moment T, computed from a base and the entries after it, without
// a server: "base + effects with effective timestamp <= T" (docs/oplog_format.md 0, 5, 6).
//
// Sources are pulled, sinks are pushed, everything on the caller's thread, in bounded memory:
// effects are collected, sorted by (collection, K(_id), order), spilled as sorted runs through a
// SpillStore when the bound is reached, and merged as streams with the sorted base. Cost: one read
// of the base's selected collections and one (with `wanted`: two) of the entries in range.
// Pure: no clock, no logging; I/O only behind the interfaces below.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "oplog/anomalies.hpp"
#include "oplog/applier.hpp"
#include "oplog/entry.hpp"
#include "oplog/facts.hpp"
#include "oplog/order.hpp"
#include "oplog/spill.hpp"

namespace holdfast::oplog {

// `by_id`: ascending by K(_id) (bson/key.hpp), documents without `_id` first. `natural`: any order
// that matters by itself (capped) or that was not sorted; the engine sorts it.
enum class DocumentOrder : std::uint8_t { by_id, natural };

// For a reader whose documents go somewhere by another way than through the sink: it learns which
// of them come out as they are, and may then leave these out of next().
class UnchangedStretches {
 public:
  virtual ~UnchangedStretches() = default;
  // Called before next(): up to the following call, documents whose K(_id) is below `key` are not
  // changed, and none is put between them; no key: so it is to the end. Everything before them has
  // reached the sink. The view is valid until the following call. Never called: read everything.
  virtual void unchanged_below(std::optional<ByteView> key) = 0;
  virtual std::uint64_t left_out_count() const = 0;
  virtual std::uint64_t left_out_bytes() const = 0;
};

// Pulls the documents of one collection. The view is valid until the next call.
class DocumentReader {
 public:
  virtual ~DocumentReader() = default;
  virtual DocumentOrder order() const = 0;
  virtual Result<std::optional<ByteView>> next() = 0;
  // As long-lived as the reader; null: it reads every document.
  virtual UnchangedStretches* stretches() { return nullptr; }
};

class BaseSource {
 public:
  virtual ~BaseSource() = default;
  virtual BaseWindow window() const = 0;
  virtual Result<std::vector<CollectionFacts>> collections() = 0;
  // Called at most once per collection, and only for those that are alive and wanted at T.
  virtual Result<std::unique_ptr<DocumentReader>> documents(const CollectionFacts& collection) = 0;
  // Would the base hold this namespace if it existed? Effects on collections that are unknown
  // because of this are counted as outside the base, not taken for a gap. A dump of user databases
  // says no for config.*; a dump of one database for all others.
  virtual bool covers(std::string_view ns) const = 0;
};

struct CollectionAtT {
  CollectionFacts facts;
  bool is_temporary = false;  // option temp: half-done rename, $out, convertToCapped
  bool is_clustered = false;
  bool is_capped = false;  // documents come in natural order
  bool is_new = false;     // not in the base
};

struct CollectionTotals {
  std::uint64_t document_count = 0;
  std::uint64_t document_bytes = 0;
  std::uint64_t trimmed_count = 0;   // capped: oldest documents left out (docs/oplog_format.md 2.7)
  bool is_approximate_tail = false;  // capped by size: the server may have kept more or fewer
};

// Receives collections in ascending order of namespace; documents in order of K(_id), capped
// collections in natural order. The view is valid during the call.
class CollectionSink {
 public:
  virtual ~CollectionSink() = default;
  virtual Result<void> begin(const CollectionAtT& collection) = 0;
  virtual Result<void> document(ByteView document) = 0;
  virtual Result<void> end(const CollectionTotals& totals) = 0;
};

enum class InDoubt : std::uint8_t { refuse, treat_as_not_committed };

struct MaterialiseOptions {
  Timestamp at;                                      // inclusive
  std::size_t memory_bytes_max = 512 * 1024 * 1024;  // everything this call allocates
  std::function<bool(std::string_view ns)> wanted;   // by name at T; also asked about views
  InDoubt in_doubt = InDoubt::refuse;
  EntryRules rules;  // emergency switches
};

struct ViewFacts {
  std::string ns;    // "db.view"
  Bytes definition;  // the document of system.views: {_id, viewOn, pipeline, collation?}
  Bytes options;     // {viewOn, pipeline, collation?}
};

struct MaterialiseReport {
  Timestamp at;
  Timestamp newest_entry;          // last entry read (look-ahead included)
  std::uint64_t entry_count = 0;   // entries read with ts <= at
  std::uint64_t effect_count = 0;  // document operations collected
  std::uint64_t outside_base_count = 0;
  std::uint64_t ignored_command_count = 0;
  std::uint64_t binary_patch_count = 0;  // docs/oplog_format.md 3.3.5
  std::uint64_t transactions_committed = 0;
  std::uint64_t transactions_aborted = 0;   // also superseded and dead by a new term
  std::uint64_t transactions_in_doubt = 0;  // only with treat_as_not_committed
  std::uint64_t spilled_bytes = 0;
  std::uint64_t spilled_run_count = 0;
  std::map<std::string, NamespaceAnomalies> anomalies;  // absorbed in RELAXED, by namespace
  std::vector<ViewFacts> views;                         // wanted ones, ascending by ns
  std::vector<IndexBuildInProgress> index_builds;       // absent from the facts
  std::vector<std::string> notes;                       // sentences for a person, bounded
};

// Errors: no_point (T before the base is consistent, or beyond the last entry), anomaly (the
// history does not fit the base), unsupported (an entry <= T that must be refused; names ts,
// command or field, and the raw entry), corrupt (order, transaction chain), conflict (transactions
// in doubt at T; the message names the sessions).
Result<MaterialiseReport> materialise(BaseSource& base, EntrySource& entries, SpillStore& spill,
                                      CollectionSink& sink, const MaterialiseOptions& options);

}  // namespace holdfast::oplog
