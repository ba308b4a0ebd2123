#pragma once
// Whether the next base is worth computing now. Changes that are spread over a collection touch
// many chunks: then rewriting them costs a hundred times what the changes are, while the base and
// the oplog recorded since bring back the same moments. So the base is put off until enough has
// been recorded that reading it again would take long, or the base is old (docs/decisions/0009).
#include "backup/synthetic_ground.hpp"
#include "catalog/stored_base.hpp"

namespace holdfast::backup {

struct RewritePolicy {
  bool may_put_off = false;
  std::uint64_t always_bytes = std::uint64_t{64} << 20;  // so little is always rewritten
  // Put off while rewriting costs more than this many bytes for each byte of recorded oplog.
  std::uint64_t bytes_for_each_recorded = 8;
  // What a recovery may have to read of the oplog: some twenty seconds' work.
  std::uint64_t recorded_bytes_max = std::uint64_t{4} << 30;
  std::uint64_t recorded_entries_max = 10'000'000;
  std::chrono::hours base_age_max{std::chrono::hours(24) * 7};
};

// The oplog behind a base.
struct Recorded {
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
};
Recorded recorded_since(const oplog::Chain& chain, const oplog::BaseWindow& window);

// The largest rewrite for which a base is computed; nothing: it is computed whatever it costs.
std::optional<std::uint64_t> rewrite_bytes_max(const Recorded& recorded, Duration base_age,
                                               const RewritePolicy& policy);

// Bytes of documents in chunks of the base that an entry touches, counted until they are more than
// `enough`. Reads entries and chunk indexes, no documents. Nothing: it can not be told (an entry
// that is not understood, a base of very many chunks). Errors: those of reading.
Result<std::optional<std::uint64_t>> touched_bytes(const repo::Repository& repository,
                                                   const catalog::StoredBase& base,
                                                   const repo::BlobId& tree,
                                                   oplog::EntrySource& entries,
                                                   std::uint64_t enough);

}  // namespace holdfast::backup
