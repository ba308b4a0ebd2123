#pragma once
// How well a database is protected now: computed from what is recorded and, if one could be asked,
// from the server. Pure.
#include "base/clock.hpp"
#include "catalog/mongo_points.hpp"

namespace holdfast::catalog {

// What a server says about its oplog. Plain value.
struct ServerOplog {
  oplog::Timestamp oldest;
  oplog::Timestamp newest;
};

// History that nobody has: moments between two chains.
struct DatasetGap {
  oplog::Timestamp from;  // last entry before
  oplog::Timestamp to;    // first entry after
};

struct DatasetStatus {
  std::size_t base_count = 0;
  std::size_t segment_count = 0;
  std::optional<oplog::Timestamp> newest_base;  // from when on it can be used
  std::optional<oplog::Recoverable> window;     // the newest moments that can be recovered
  std::vector<DatasetGap> gaps;
  // Behind the wall clock: how much would be lost if the server were gone now. Of an idle server
  // that writes no no-ops this grows although nothing is missing.
  std::optional<std::chrono::seconds> recovery_point_age;
  // With a server: entries that exist and are not recorded, in seconds of the server's time.
  std::optional<std::chrono::seconds> lag;
  // With a server: how long the stream can be away before entries are lost; negative: they are.
  std::optional<std::chrono::seconds> headroom;
  std::optional<std::chrono::seconds> server_window;  // from its oldest to its newest entry
};

DatasetStatus status_of(const oplog::Timeline& timeline,
                        const std::vector<oplog::BaseWindow>& bases, WallTime now,
                        const std::optional<ServerOplog>& server);

}  // namespace holdfast::catalog
