#pragma once
// Snapshot files: one captured state, its root tree and where it came from
// (docs/repository_format.md A8). JSON only; A5 and the seal are added by the caller.
#include <array>

#include "repo/json_text.hpp"
#include "repo/node_time.hpp"

namespace holdfast::repo {

// Counters of the backup that made the snapshot. bytes unless said otherwise.
struct SnapshotSummary {
  NodeTime backup_start = unknown_time;
  NodeTime backup_end = unknown_time;
  std::uint64_t files_new = 0, files_changed = 0, files_unmodified = 0;  // counts
  std::uint64_t dirs_new = 0, dirs_changed = 0, dirs_unmodified = 0;     // counts
  std::uint64_t data_blobs = 0, tree_blobs = 0;                          // counts of new blobs
  std::uint64_t data_added = 0;                                          // plain bytes of new blobs
  std::uint64_t data_added_packed = 0;  // what they take in the repository
  std::uint64_t total_files_processed = 0;
  std::uint64_t total_bytes_processed = 0;
  std::vector<RawMember> other;  // members of other programs, kept
  friend bool operator==(const SnapshotSummary&, const SnapshotSummary&) = default;
};

// rustic's "delete": a wish to keep for ever, or not to keep after a time.
enum class DeleteRule : std::uint8_t { unset, never, after };

// Plain value. Empty means absent for all but time, tree and paths.
struct Snapshot {
  NodeTime time = unknown_time;
  std::optional<SnapshotId> parent;
  BlobId tree;
  std::vector<std::string> paths;
  std::string hostname, username;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::string> excludes, tags;
  std::optional<SnapshotId> original;
  std::string program_version;
  std::optional<SnapshotSummary> summary;

  std::vector<SnapshotId> parents;  // rustic
  std::string label, description;   // rustic
  DeleteRule delete_rule = DeleteRule::unset;
  NodeTime delete_after = unknown_time;  // when delete_rule is `after`

  std::vector<RawMember> other;  // members of other programs, kept when rewritten
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

// Snapshots that complete others, or were put aside, and are no point by themselves: "latest" never
// means them. Recorded history of a database, history that was rolled back, bases made from such,
// what a recovery would undo, what an interrupted copy has stored, what a check found.
constexpr std::array<std::string_view, 6> companion_tags{"kind=segments",      "kind=diverged",
                                                         "kind=diverged-base", "kind=undo",
                                                         "kind=partial",       "kind=check"};
bool is_companion(const Snapshot& snapshot);

// restic's field order and omissions, no line end; then rustic's fields, then `other`.
Bytes encode_snapshot(const Snapshot& snapshot);
// Errors: malformed (not JSON, no tree, a field of the wrong type), limit_exceeded.
Result<Snapshot> decode_snapshot(ByteView json);

}  // namespace holdfast::repo
