#pragma once
// What find_lost() found, as put_back() needs it.
#include "dataset/spill_files.hpp"
#include "recover/live_compare.hpp"
#include "recover/undelete_mongo.hpp"
#include "recover/unique_index.hpp"

namespace holdfast::recover {

// Who refuses a second document with the key of a unique index.
enum class Guard : std::uint8_t {
  by_server,
  gone  // the index was there at the moment and is not now: nobody but we
};

struct WatchedIndex {
  Guard guard = Guard::by_server;
  UniqueIndex rule;
};

class LostDocuments::Impl {
 public:
  Impl(const UndeleteOptions& options)
      : what(options.what), dataset(options.moment.dataset), spill(options.moment.temp_directory) {}

  struct Found {
    MomentCollection then;
    NamespaceName target;
    bool is_absent_now = false;
    DifferenceSpool documents;
    std::vector<WatchedIndex> unguarded;  // Guard::gone
  };

  Lost what;
  std::string dataset;
  dataset::SpillFiles spill;
  repo::SnapshotId base;
  std::optional<oplog::Timestamp> at;
  std::string moment;
  std::vector<LostCollection> collections;
  std::vector<Found> found;  // in the same order
  std::vector<std::string> notes;
};

struct KeyConflict {
  std::size_t document = 0;  // its number among those asked about
  std::string index;
  std::string sentence;
};

// One query asks for so many keys; without an index on the server each reads the collection.
constexpr std::size_t looked_up_keys_max = 1000;
constexpr std::size_t looked_up_bytes_max = std::size_t{1} << 20;

// Which documents have a key that another document of the collection has now. At most one conflict
// for each document and index. REQUIRES: the documents fit into memory.
Result<std::vector<KeyConflict>> find_key_conflicts(mongo::Connection& connection,
                                                    const NamespaceName& name,
                                                    const std::vector<WatchedIndex>& indexes,
                                                    const std::vector<ByteView>& documents);

// Preview of inserting documents: unique indexes that the server has and those that were there at
// the moment. Bounded: asks for the first documents only, and says so. Fills `unguarded`.
constexpr std::size_t probed_documents_max = 1000;
constexpr std::size_t probed_bytes_max = std::size_t{8} << 20;
Result<void> find_conflicts(mongo::Connection& connection, LostDocuments::Impl::Found& found,
                            LostCollection& collection);

}  // namespace holdfast::recover
