#pragma once
// Who a snapshot says it is from.
#include <cstdint>
#include <string>

namespace holdfast::catalog {

struct SnapshotAuthor {
  std::string hostname, username;
  std::uint32_t uid = 0, gid = 0;
  std::string program_version;  // "holdfast 0.1.0"
};

}  // namespace holdfast::catalog
