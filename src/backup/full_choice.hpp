#pragma once
// Whether the next base of a database is computed from the last one (synthetic_full.hpp) or read
// from the server. Pure values.
#include <optional>
#include <string>

#include "catalog/mongo_points.hpp"

namespace holdfast::backup {

// Tags of snapshots.
constexpr std::string_view synthetic_tag = "made=synthetic";
constexpr std::string_view check_tag = "kind=check";  // a companion that records a failed check
constexpr std::string_view check_path = ".holdfast/check.json";

// What a repository says of the bases of one dataset. Plain value.
struct FullHistory {
  std::optional<WallTime> real_full;        // the newest base that was read from the server
  std::optional<oplog::BaseWindow> newest;  // the newest base with a window
  // The recorded oplog goes on from the newest base to its own end without a gap.
  bool is_continued = false;
  std::optional<WallTime> failed_check;  // the newest one
};

FullHistory full_history(const catalog::MongoPoints& points,
                         const std::vector<repo::StoredSnapshot>& snapshots,
                         std::string_view dataset);

enum class FullKind : std::uint8_t { real, synthetic };

struct FullPolicy {
  std::chrono::hours real_full_age_max{std::chrono::hours(24) * 30};
  bool is_forced = false;  // --full
};

struct FullDecision {
  FullKind kind = FullKind::real;
  std::string reason;  // "the last full backup from the server is 31 days old"
};

FullDecision decide_full(const FullHistory& history, WallTime now, const FullPolicy& policy);

}  // namespace holdfast::backup
