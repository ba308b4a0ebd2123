#pragma once
// Who holds a lock: a process of a machine, told apart well enough to say whether it still runs
// (docs/repository_format.md A11).
#include <string>

#include "base/bytes.hpp"

namespace holdfast::repo {

// Plain value. boot_id and pid_namespace together say whether another process's number means
// anything here: after a reboot or in another container it does not.
struct Holder {
  std::string hostname, username;
  std::int64_t pid = 0;
  std::uint32_t uid = 0, gid = 0;
  std::string boot_id;              // empty: unknown
  std::uint64_t pid_namespace = 0;  // inode of /proc/self/ns/pid; 0: unknown
  std::uint64_t pid_started = 0;    // clock ticks after boot; 0: unknown
};

Holder this_process();

// Whether a process with this number runs here, and started at that tick (0: any).
bool is_running(std::int64_t pid, std::uint64_t pid_started);

}  // namespace holdfast::repo
