#pragma once
// What a snapshot of a database says about itself in `.holdfast/manifest.json`, and where its files
// are (docs/mongodump_format.md): the tree is a mongodump directory, our own notes lie beside it.
#include <set>

#include "bson/digest.hpp"
#include "dataset/mongo_dump.hpp"

namespace holdfast::dataset {

constexpr std::string_view manifest_path = ".holdfast/manifest.json";
// The window alone: what a search for a moment reads of each snapshot. Absent if it is unknown.
constexpr std::string_view window_path = ".holdfast/window.json";
constexpr std::size_t window_bytes_max = 4096;
constexpr std::string_view oplog_path = "oplog.bson";
constexpr std::size_t manifest_bytes_max = std::size_t{64} << 20;

// How snapshots of a dataset are found among all others.
std::string dataset_tag(std::string_view dataset);
constexpr std::string_view base_tag = "kind=mongodb";
constexpr std::string_view segments_tag = "kind=segments";
// History that was rolled back: kept to look at, never used. And bases that hold such history.
constexpr std::string_view diverged_tag = "kind=diverged";
constexpr std::string_view diverged_base_tag = "kind=diverged-base";
// A name that fits into tags, paths and command lines. Error: usage.
Result<void> check_dataset_name(std::string_view name);

std::string documents_path(const MongoCollection& collection);
std::string metadata_path(const MongoCollection& collection);
std::string chunk_index_path(const MongoCollection& collection);

enum class StoredOrder : std::uint8_t {
  by_id,   // ascending by K(_id), each `_id` once
  natural  // as it was read: capped collections
};

struct StoredCollection {
  MongoCollection facts;
  StoredOrder order = StoredOrder::by_id;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t chunk_count = 0;
  bson::Digest256 digest;
};

// Plain value.
struct MongoManifest {
  std::string dataset;
  std::string server_version;
  std::string tool_version;
  DumpScope scope = DumpScope::instance;
  bool has_system_collections = false;
  std::optional<oplog::BaseWindow> window = {};    // nothing: the dump does not tell its time
  std::vector<StoredCollection> collections = {};  // ascending by namespace
};

// Would a base hold a namespace if it existed? Immutable.
class Coverage {
 public:
  Coverage() = default;
  explicit Coverage(const MongoManifest& manifest);
  bool covers(std::string_view ns) const;

 private:
  DumpScope scope_ = DumpScope::instance;
  bool has_system_collections_ = false;
  std::set<std::string, std::less<>> databases_;
  std::set<std::string, std::less<>> namespaces_;
};

std::string encode_window(const oplog::BaseWindow& window);
Result<oplog::BaseWindow> decode_window(std::string_view json);

std::string encode_manifest(const MongoManifest& manifest);
// Errors: malformed, unsupported (a later format).
Result<MongoManifest> decode_manifest(std::string_view json);

}  // namespace holdfast::dataset
