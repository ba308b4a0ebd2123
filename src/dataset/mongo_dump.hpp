#pragma once
// Reading what mongodump wrote: a directory or an archive, plain or gzip, and the layout of
// recorded histories (a directory whose manifest.json tells the window in which it was copied).
// Formats: docs/mongodump_format.md.
#include <memory>

#include "dataset/mongo_collection.hpp"
#include "dataset/mongo_stream.hpp"

namespace holdfast::dataset {

constexpr std::size_t collections_max = 1'000'000;

// Which namespaces would be in the dump if they existed.
enum class DumpScope : std::uint8_t {
  instance,  // all databases but `local`
  databases  // only those that are in it
};

struct DumpFacts {
  std::string server_version;  // empty if the dump does not say
  std::string tool_version;
  DumpScope scope = DumpScope::instance;
  // mongodump leaves `<db>.system.*` out; a recorded history has them.
  bool has_system_collections = false;
  // When it was copied, if the dump says so. A dump with an oplog gets its window from that.
  std::optional<oplog::BaseWindow> window;
  bool has_oplog = false;
  std::vector<std::string> notes;  // what was left out and why, for a person
};

// One thread. What it refers to must stay unchanged while it is open.
class DumpReader {
 public:
  virtual ~DumpReader() = default;
  virtual const DumpFacts& facts() const = 0;
  // Ascending by namespace.
  virtual const std::vector<MongoCollection>& collections() const = 0;
  // Documents in the order of the dump. May be called again to start over.
  // REQUIRES: one of collections(), with has_documents.
  virtual Result<std::unique_ptr<DocumentStream>> documents(const MongoCollection& which) = 0;
  // REQUIRES: facts().has_oplog
  virtual Result<std::unique_ptr<DocumentStream>> oplog() = 0;
};

// A directory, or an archive file. An archive's documents are first sorted apart into unnamed files
// in `temp_directory`. Errors: not_found, malformed (with file and offset), limit_exceeded.
Result<std::unique_ptr<DumpReader>> open_dump(const std::filesystem::path& path,
                                              const std::filesystem::path& temp_directory);

// Namespaces that are never part of a restore: `local`, profiles, and what each node derives
// (docs/oplog_format.md 2.11).
bool is_node_local(std::string_view db, std::string_view collection);

}  // namespace holdfast::dataset
