#pragma once
// Which mass deletions and rewrites the recorded oplog of a dataset holds since some time, and the
// command that brings each of them back (`holdfast scan deletions`).
#include "oplog/mass_change.hpp"
#include "repo/repository.hpp"

namespace holdfast::recover {

// What the TTL monitor removed looks like a mass deletion too.
enum class Expiry : std::uint8_t { show, leave_out };

struct ScanDeletionsOptions {
  std::string dataset;
  std::chrono::seconds since{std::chrono::hours(2)};  // before now, by the context's clock
  std::vector<std::string> only;                      // see NamespaceChoice
  std::uint64_t count_min = 50;
  std::chrono::seconds span{60};
  Expiry expiry = Expiry::show;
  oplog::EntryRules rules;
  std::filesystem::path temp_directory;
  // Words that the commands shown repeat, so that they reach the same repository: {"-r",
  // "/backups"}.
  std::vector<std::string> repository_words;
};

struct FoundChange {
  oplog::MassChange change;
  // Documents of the collection in the newest base before it; none: not known.
  std::optional<std::uint64_t> collection_count;
  std::optional<double> share;  // of these, 0 to 1
  bool has_expiry_index = false;
  // For a shell: "holdfast restore -r /backups --dataset shop --at 1795474008,285 --to
  // 'mongodb://HOST' --only shop.orders --missing-only", where only the server has to be filled in;
  // empty: that moment can not be recovered, see `why_not`.
  std::string restore_command;
  std::string why_not;
};

struct ScanDeletionsResult {
  std::vector<FoundChange> found;    // by time
  std::uint64_t expiry_count = 0;    // left out
  std::uint64_t left_out_count = 0;  // more than oplog::mass_changes_max
  oplog::Timestamp since;
  std::optional<oplog::Timestamp> newest_recorded;  // of the dataset; none: nothing at all
  std::optional<oplog::OpTime> first_entry;  // looked at; none: nothing is recorded in that time
  std::optional<oplog::OpTime> last_entry;
  std::uint64_t entry_count = 0;
  std::uint64_t segment_count = 0;
  std::vector<std::string> notes;  // gaps, what could not be read, nothing recorded: sentences
};

// Reads only segments that overlap the time. Loads the index. Errors: usage, not_found (dataset),
// those of reading.
Result<ScanDeletionsResult> scan_deletions(repo::Repository& repository,
                                           const ScanDeletionsOptions& options);

}  // namespace holdfast::recover
