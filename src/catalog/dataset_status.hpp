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
  // Copies that can be restored only as they are: of servers without an oplog.
  std::size_t timeless_count = 0;
  std::optional<WallTime> newest_timeless;
  // Behind the wall clock: how much would be lost if the server were gone now. Of an idle server
  // that writes no no-ops this grows although nothing is missing. Without a window: the age of the
  // newest copy without a time.
  std::optional<std::chrono::seconds> recovery_point_age;
  // With a server: entries that exist and are not recorded, in seconds of the server's time.
  std::optional<std::chrono::seconds> lag;
  // With a server: how long the stream can be away before entries are lost; negative: they are.
  std::optional<std::chrono::seconds> headroom;
  // With a server: entries that nobody recorded and the server does not have any more. Moments from
  // the next base on can be recovered again.
  std::optional<DatasetGap> lost;
  std::optional<std::chrono::seconds> server_window;  // from its oldest to its newest entry
};

DatasetStatus status_of(const oplog::Timeline& timeline,
                        const std::vector<oplog::BaseWindow>& bases, WallTime now,
                        const std::optional<ServerOplog>& server);
// The same, with the copies that have no time.
DatasetStatus status_of(const MongoPoints& points, WallTime now,
                        const std::optional<ServerOplog>& server);

}  // namespace holdfast::catalog
