#pragma once
// What find_lost() found, as put_back() needs it.
#include "dataset/spill_files.hpp"
#include "recover/live_compare.hpp"
#include "recover/undelete_mongo.hpp"

namespace holdfast::recover {

class LostDocuments::Impl {
 public:
  Impl(const UndeleteOptions& options)
      : what(options.what), dataset(options.moment.dataset), spill(options.moment.temp_directory) {}

  struct Found {
    MomentCollection then;
    NamespaceName target;
    bool is_absent_now = false;
    DifferenceSpool documents;
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

// Preview of inserting documents: which unique keys another document has. Bounded: asks the server
// for the first documents only, and says so.
constexpr std::size_t probed_documents_max = 1000;
Result<void> find_conflicts(mongo::Connection& connection, LostDocuments::Impl::Found& found,
                            LostCollection& collection);

}  // namespace holdfast::recover
