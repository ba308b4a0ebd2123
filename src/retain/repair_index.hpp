#pragma once
// Makes the index say again what the packs hold: entries that are right stay, those that are not
// are read anew from the headers of the packs, index files that can not be read are removed.
// Packs are never changed and never deleted.
#include "repo/lock.hpp"

namespace holdfast::retain {

// all: do not believe any entry, read the header of every pack.
enum class ReadHeaders : std::uint8_t { where_needed, all };

struct RepairedIndex {
  std::uint64_t packs = 0;                // in the store
  std::uint64_t packs_read = 0;           // their headers were read into new index files
  std::uint64_t entries_dropped = 0;      // packs listed wrongly, or that do not exist
  std::uint64_t index_files_removed = 0;  // could not be read
  std::vector<repo::PackId> unreadable;   // packs whose header is damaged: left as they are
};

// Needs an exclusive lock that is held. A crash at any moment loses nothing that was indexed
// rightly. Errors: locked, interrupted, those of the store.
Result<RepairedIndex> repair_index(const repo::Repository& repository, const repo::Lock& lock,
                                   ReadHeaders read_headers = ReadHeaders::where_needed);

}  // namespace holdfast::retain
