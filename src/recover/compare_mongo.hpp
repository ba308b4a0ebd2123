#pragma once
// Compares a database as it was at a moment with a live server: documents, as streams in bounded
// memory, and the catalog: options, indexes, views.
#include "mongo/deployment.hpp"
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

enum class DifferenceKind : std::uint8_t {
  missing,   // existed then, is absent now
  extra,     // exists now, did not exist then
  different  // its bytes differ
};
std::string_view name_of(DifferenceKind kind);

// Views are valid during the call.
struct DocumentDifference {
  DifferenceKind kind = DifferenceKind::missing;
  std::string_view ns;  // as it was
  std::string_view target_ns;
  bson::Value id;  // of the document
  ByteView then;   // empty for extra
  ByteView now;    // empty for missing
};
using OnDifference = std::function<Result<void>(const DocumentDifference&)>;

struct ComparedCollection {
  std::string ns;
  std::string target_ns;
  std::string type;
  std::uint64_t then_count = 0;
  std::uint64_t now_count = 0;
  std::uint64_t missing = 0, extra = 0, different = 0;  // counts of documents
  bson::Digest256 then_digest;
  bson::Digest256 now_digest;
  bool is_absent_now = false;   // the server has no such collection or view
  bool is_absent_then = false;  // it did not exist at the moment
  // Sentences about what of the catalog differs: options, indexes, the definition of a view, that
  // it is not there at all. Empty: nothing.
  std::vector<std::string> catalog;
  bool has_equal_documents() const {
    return missing + extra + different == 0 && then_digest == now_digest;
  }
  // Documents and catalog.
  bool is_equal() const { return has_equal_documents() && catalog.empty() && !is_absent_then; }
};

struct CompareMongoResult {
  repo::SnapshotId base;
  std::optional<oplog::Timestamp> at;
  std::string moment;
  std::vector<ComparedCollection> collections;
  std::vector<std::string> notes;
  // Of all of them. A server that can not keep an option or an index is never equal.
  bool has_equal_documents() const;
  bool is_equal() const;
};

// The caller holds a shared lock. Loads the index. The callback is called collection by collection,
// ascending by K(_id), and may be empty. Writes during the comparison may show as differences.
// Errors: those of MomentStream, of the server and of the callback.
Result<CompareMongoResult> compare_mongo(repo::Repository& repository, mongo::Deployment& live,
                                         const MomentRequest& request,
                                         const OnDifference& on_difference);

}  // namespace holdfast::recover
