#pragma once
// Which snapshots stay: restic's retention rules as a pure function. Values in, decisions with
// their reasons out; no clock, no store.
//
// A snapshot stays when any rule wants it, and lists all of them. Counting rules walk a group from
// the newest to the oldest and keep the newest snapshot of each hour, day, ISO week, month or year
// until their count is used up; a rule with counts left at the end keeps the oldest snapshot too.
// Calendar boundaries are those of the time zone that each snapshot's time carries.
#include <span>
#include <string>
#include <vector>

#include "repo/repository.hpp"

namespace holdfast::retain {

// "2y5m7d3h": calendar units, applied as Go's AddDate does (31 March minus a month is 3 March).
struct CalendarSpan {
  int years = 0, months = 0, days = 0, hours = 0;
  bool is_zero() const { return years == 0 && months == 0 && days == 0 && hours == 0; }
  friend bool operator==(const CalendarSpan&, const CalendarSpan&) = default;
};
// Errors: usage.
Result<CalendarSpan> parse_calendar_span(std::string_view text);
std::string to_text(const CalendarSpan& span);

constexpr int keep_unlimited = -1;

// What to keep. A default-made policy is empty, and keeps everything.
struct KeepPolicy {
  int last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0;  // counts
  CalendarSpan within{}, within_hourly{}, within_daily{}, within_weekly{}, within_monthly{},
      within_yearly{};
  // A snapshot matches a list when it has all its tags; {""} matches one without tags.
  std::vector<std::vector<std::string>> tags{};

  bool is_empty() const;
};

enum class Fate : std::uint8_t { keep, remove };

struct Decision {
  repo::StoredSnapshot snapshot;
  Fate fate = Fate::keep;
  std::vector<std::string> reasons;  // "daily snapshot", "within 7d"; empty when removed
};

// Snapshots of one host and one set of paths; rules count in each group apart.
struct SnapshotGroup {
  std::string hostname;
  std::vector<std::string> paths;  // sorted
  std::vector<repo::StoredSnapshot> snapshots;
};
// restic's default grouping, sorted by host and paths.
std::vector<SnapshotGroup> group_snapshots(std::span<const repo::StoredSnapshot> snapshots);

// Newest first. `now` bounds what counts as the latest snapshot for the within rules: one that
// claims to be from the future does not push the others out. Snapshots that rustic protects
// (delete "Never", or "After" a time to come) are kept.
std::vector<Decision> decide(const SnapshotGroup& group, const KeepPolicy& policy, WallTime now);

}  // namespace holdfast::retain
