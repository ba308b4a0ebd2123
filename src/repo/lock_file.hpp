#pragma once
// Lock files: who is working on the repository and since when (docs/repository_format.md A11).
// JSON only; A5 and the seal are added by the caller.
#include "repo/json_text.hpp"
#include "repo/node_time.hpp"

namespace holdfast::repo {

enum class LockKind : std::uint8_t { shared, exclusive };

// Plain value. The last five fields are ours; restic ignores them, and they are empty in its locks.
struct LockFile {
  NodeTime time = unknown_time;  // of the last refresh
  LockKind kind = LockKind::shared;
  std::string hostname, username;
  std::int64_t pid = 0;
  std::uint32_t uid = 0, gid = 0;

  std::string program;              // "holdfast 0.1.0 backup"
  std::string boot_id;              // same boot and same pid_ns: the pid can be asked for
  std::uint64_t pid_ns = 0;         // inode of /proc/self/ns/pid; 0 when unknown
  std::uint64_t pid_started = 0;    // when that process began, clock ticks after boot
  std::optional<NodeTime> started;  // when the lock was first taken; kept over refreshes
  friend bool operator==(const LockFile&, const LockFile&) = default;
};

Bytes encode_lock_file(const LockFile& lock);
Result<LockFile> decode_lock_file(ByteView json);

}  // namespace holdfast::repo
