#pragma once
// Puts single documents of a moment back into a live database and leaves all later data alone:
// those that are absent now (missing only), or whose bytes differ now (changed only).
//
// Two steps, so that a person sees what would happen: find_lost() compares and keeps what it found
// in temporary space; put_back() stores an undo point in the repository and then writes.
#include "catalog/snapshot_author.hpp"
#include "mongo/deployment.hpp"
#include "recover/compare_mongo.hpp"

namespace holdfast::recover {

enum class Lost : std::uint8_t { missing, changed };

struct UndeleteOptions {
  MomentRequest moment;
  Lost what = Lost::missing;
  // Only these: `_id`s as parse_document_id gives them, or what the server finds by `filter` (a
  // query document; for `changed` about documents as they are now). Empty: all.
  std::vector<Bytes> ids;
  Bytes filter;
};

constexpr std::size_t samples_max = 10;     // for a preview, by collection
constexpr std::size_t conflicts_max = 100;  // told by collection; more are counted

struct LostSample {
  Bytes id;    // {"": _id}
  Bytes then;  // the document as it was
  Bytes now;   // empty for Lost::missing
};

struct LostCollection {
  std::string ns;
  std::string target_ns;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;          // of the documents as they were
  std::vector<LostSample> samples;  // the first ones
  // Sentences: another document has the key in a unique index, of the server now or of the moment.
  std::vector<std::string> conflicts;
  std::uint64_t conflict_count = 0;
  std::vector<std::string> notes;
};

// What was found, with the documents in temporary space. One thread; movable.
class LostDocuments {
 public:
  LostDocuments(LostDocuments&&) noexcept;
  LostDocuments& operator=(LostDocuments&&) noexcept;
  ~LostDocuments();

  Lost what() const;
  const repo::SnapshotId& base() const;
  const std::optional<oplog::Timestamp>& at() const;
  const std::string& moment() const;
  const std::vector<LostCollection>& collections() const;  // only those with lost documents
  std::uint64_t count() const;
  const std::vector<std::string>& notes() const;

  class Impl;
  explicit LostDocuments(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// The preview. Writes nothing to the server. Loads the index; the caller holds a shared lock.
// Errors: those of MomentStream and of the server; usage (a filter that is no query).
Result<LostDocuments> find_lost(repo::Repository& repository, mongo::Deployment& live,
                                const UndeleteOptions& options);

struct PutBackCollection {
  std::string target_ns;
  std::uint64_t written = 0;
  std::uint64_t not_written = 0;      // a unique key is taken, or the document changed meanwhile
  std::vector<std::string> refusals;  // sentences, at most conflicts_max
};

struct PutBackResult {
  std::optional<repo::SnapshotId> undo_point;  // none: there was nothing to write
  std::vector<PutBackCollection> collections;
  std::uint64_t written() const;
  std::uint64_t not_written() const;
};

// Nothing is overwritten but, for Lost::changed, documents that are still as they were compared.
// Errors: those of the repository and of the server. After an error the undo point tells what may
// have been written; running again goes on.
Result<PutBackResult> put_back(repo::Repository& repository, mongo::Deployment& live,
                               LostDocuments& lost, const catalog::SnapshotAuthor& author);

}  // namespace holdfast::recover
