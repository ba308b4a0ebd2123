#pragma once
// What a verification found: values, not errors. Each finding says what is wrong, in which bytes of
// which object of the store, and which snapshots, files and collections it costs.
#include <array>
#include <string>
#include <vector>

#include "repo/ids.hpp"

namespace holdfast::verify {

// error: something recorded is lost, or will be misread. note: harmless left-overs and oddities.
enum class Severity : std::uint8_t { error, note };

enum class FindingKind : std::uint8_t {
  damaged_config,
  damaged_key,
  damaged_lock,
  damaged_snapshot,
  damaged_index,   // an index file that can not be read
  wrong_index,     // an index file that says something untrue
  missing_pack,    // in the index, not in the store
  damaged_header,  // the header or length field of a pack
  damaged_blob,    // a copy of a blob
  misnamed_pack,   // the name is not the hash of the bytes, though all its parts are good
  missing_blob,    // reachable from a snapshot, in no index
  marked_blob,     // reachable, but only in packs marked for deletion: prune brings them back
  bad_tree,        // a directory listing that breaks the format
  unindexed_pack,  // left over from an interrupted run
};
std::string_view name_of(FindingKind kind);  // "damaged_blob"

// Findings beyond this are counted, not kept; so are paths beyond the second for each finding.
constexpr std::size_t findings_max = 10'000;
constexpr std::size_t paths_per_finding_max = 1'000;

struct Finding {
  Severity severity = Severity::error;
  FindingKind kind = FindingKind::damaged_blob;
  std::string object;        // the full name in the store, "data/ab/abcd…"
  std::uint64_t offset = 0;  // of the region in the object
  std::uint64_t length = 0;  // 0: the whole object
  std::string message;       // lower case, no full stop

  // What is lost with it. Empty when nothing refers to it or another copy is intact.
  std::vector<repo::SnapshotId> snapshots;
  std::vector<std::string> paths;        // sorted, each once
  std::uint64_t path_count = 0;          // including those beyond paths_per_finding_max
  std::vector<std::string> collections;  // "shop.orders", of paths that look like a dump's
};

// Plain value.
struct Report {
  std::vector<Finding> findings;
  std::uint64_t findings_not_kept = 0;
  std::uint64_t objects_checked = 0;  // files of the repository
  std::uint64_t packs_checked = 0;    // of which packs
  std::uint64_t blobs_checked = 0;    // opened, decompressed and hashed
  std::uint64_t bytes_read = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t trees = 0;

  // No finding that is an error.
  bool is_clean() const;
};

// "shop.orders" for ".../shop/orders.bson" and ".../shop/orders.metadata.json"; else empty.
std::string collection_of(std::string_view path);

}  // namespace holdfast::verify
