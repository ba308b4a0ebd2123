#pragma once
// A database as it was at a moment, collection by collection: chosen by a person's words, computed
// from a base and the recorded oplog, handed to whoever writes or compares it.
#include <functional>

#include "bson/digest.hpp"
#include "catalog/mongo_moment.hpp"
#include "dataset/mongo_collection.hpp"
#include "oplog/materialise.hpp"
#include "recover/namespace_choice.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

// Which moment of which dataset, and how much of it. Plain value.
struct MomentRequest {
  std::string dataset;
  std::string at = "last";              // see catalog::parse_moment
  std::optional<std::string> snapshot;  // this base as it is, instead of a moment
  std::vector<std::string> only;        // see NamespaceChoice
  std::vector<std::string> renames;
  std::size_t memory_bytes_max = std::size_t{512} << 20;
  std::filesystem::path temp_directory;
  oplog::InDoubt in_doubt = oplog::InDoubt::refuse;
  oplog::EntryRules rules;
};

// One collection, view or time series as it was. Its name is the one it had.
struct MomentCollection {
  dataset::MongoCollection facts;
  bool is_temporary = false;  // half-done work of the server ($out, renames over databases)
  bool is_capped = false;     // documents come in natural order, else by K(_id)
  // The digest that the base's manifest names; none: it is computed, or has no documents.
  std::optional<bson::Digest256> digest;
};

// Receives collections, then what has no documents. Calls come from the thread of push().
class MomentSink {
 public:
  virtual ~MomentSink() = default;
  virtual Result<void> begin(const MomentCollection& collection) = 0;
  virtual Result<void> document(ByteView document) = 0;  // valid during the call
  virtual Result<void> end(const oplog::CollectionTotals& totals) = 0;
};

struct MomentReport {
  std::optional<oplog::MaterialiseReport> computed;  // none: the base's own moment
  std::vector<std::string> notes;                    // for a person
};

// What is known of a collection without computing its documents.
struct ExpectedCollection {
  MomentCollection collection;
  std::uint64_t count = 0;  // of documents; an estimate unless `is_exact`
  std::uint64_t bytes = 0;
  bool is_exact = true;
};

// One thread. The repository must outlive it.
class MomentStream {
 public:
  // Loads the index. Errors: usage, not_found (dataset, snapshot), no_point (names the nearest
  // moments).
  static Result<MomentStream> open(repo::Repository& repository, const MomentRequest& request);
  MomentStream(MomentStream&&) noexcept;
  MomentStream& operator=(MomentStream&&) noexcept;
  ~MomentStream();

  const repo::SnapshotId& base() const;
  const std::optional<oplog::Timestamp>& at() const;  // none: a base without a time, as it is
  const std::string& moment() const;                  // the same for a person
  const std::string& server_version() const;          // of the server that was backed up
  const NamespaceChoice& choice() const;
  bool covers(std::string_view ns) const;  // would the base hold it if it existed?

  // The catalog at the moment, ascending by namespace: reads entries, but no documents of a base.
  Result<std::vector<ExpectedCollection>> expect();

  // Everything that the request takes. May be called again: it computes anew. With `wanted`, only
  // those of them. Errors: corrupt (a base is not what its manifest says), those of
  // oplog::materialise and of the sink.
  Result<MomentReport> push(MomentSink& sink,
                            const std::function<bool(std::string_view ns)>& wanted = {});

 private:
  class Impl;
  explicit MomentStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::recover
