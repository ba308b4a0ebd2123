#include "retain/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace holdfast::retain {
namespace {

constexpr int calendar_units_max = 100'000;  // of one kind in a span

// A moment as the wall clock beside the snapshot's machine showed it.
struct LocalTime {
  std::chrono::sys_seconds shown{};

  std::chrono::sys_days day() const { return std::chrono::floor<std::chrono::days>(shown); }
  std::chrono::year_month_day date() const { return {day()}; }
  std::int64_t hour() const {
    return std::chrono::floor<std::chrono::hours>(shown - day()).count();
  }
};

LocalTime local_time(const repo::NodeTime& time) {
  return {std::chrono::sys_seconds(std::chrono::seconds(time.seconds + time.offset_seconds))};
}

// Numbers of calendar buckets: equal for two times exactly when they share the unit.
std::int64_t year_of(const LocalTime& time) {
  return static_cast<int>(time.date().year());
}
std::int64_t month_of(const LocalTime& time) {
  return year_of(time) * 100 + static_cast<unsigned>(time.date().month());
}
std::int64_t day_of(const LocalTime& time) {
  return time.day().time_since_epoch().count();
}
std::int64_t hour_of(const LocalTime& time) {
  return day_of(time) * 24 + time.hour();
}
std::int64_t iso_week_of(const LocalTime& time) {
  // Weeks start on Monday; 1970-01-01 was a Thursday.
  const std::int64_t days = day_of(time) + 3;
  return days >= 0 ? days / 7 : (days - 6) / 7;
}

using Bucketing = std::int64_t (*)(const LocalTime&);

struct CountRule {
  int left = 0;
  Bucketing bucket_of = nullptr;  // null: each snapshot is a bucket of its own
  std::string_view reason;
  std::optional<std::int64_t> last_bucket;
};

struct SpanRule {
  CalendarSpan span;
  Bucketing bucket_of = nullptr;
  std::string_view reason;
  std::optional<std::int64_t> last_bucket;
};

std::array<CountRule, 6> count_rules(const KeepPolicy& policy) {
  return {{{policy.last, nullptr, "last snapshot", {}},
           {policy.hourly, hour_of, "hourly snapshot", {}},
           {policy.daily, day_of, "daily snapshot", {}},
           {policy.weekly, iso_week_of, "weekly snapshot", {}},
           {policy.monthly, month_of, "monthly snapshot", {}},
           {policy.yearly, year_of, "yearly snapshot", {}}}};
}

std::array<SpanRule, 5> span_rules(const KeepPolicy& policy) {
  return {{{policy.within_hourly, hour_of, "hourly", {}},
           {policy.within_daily, day_of, "daily", {}},
           {policy.within_weekly, iso_week_of, "weekly", {}},
           {policy.within_monthly, month_of, "monthly", {}},
           {policy.within_yearly, year_of, "yearly", {}}}};
}

// `time` minus `span`, day by day in the offset that `time` carries.
repo::NodeTime minus(const repo::NodeTime& time, const CalendarSpan& span) {
  const LocalTime local = local_time(time);
  const auto within_day = local.shown - local.day();
  const auto date = local.date();
  const auto month = std::chrono::year_month(date.year(), date.month()) -
                     std::chrono::months(span.months + 12 * span.years);
  const std::chrono::sys_days first(month / std::chrono::day(1));
  const auto day = first +
                   (static_cast<std::chrono::sys_days>(date) -
                    static_cast<std::chrono::sys_days>(
                        std::chrono::year_month(date.year(), date.month()) / std::chrono::day(1))) -
                   std::chrono::days(span.days);
  const std::chrono::sys_seconds shown = day + within_day - std::chrono::hours(span.hours);
  return {shown.time_since_epoch().count() - time.offset_seconds, time.nanoseconds,
          time.offset_seconds};
}

bool is_after(const repo::NodeTime& a, const repo::NodeTime& b) {
  return a.seconds != b.seconds ? a.seconds > b.seconds : a.nanoseconds > b.nanoseconds;
}

repo::NodeTime latest_time(std::span<const Decision> newest_first, WallTime now) {
  for (const Decision& decision : newest_first) {
    const auto& time = decision.snapshot.snapshot.time;
    if (repo::to_wall_time(time) < now) return time;
  }
  return repo::unknown_time;
}

bool has_tags(const repo::Snapshot& snapshot, const std::vector<std::string>& wanted) {
  if (wanted.size() == 1 && wanted.front().empty()) return snapshot.tags.empty();
  return std::ranges::all_of(wanted, [&](const std::string& tag) {
    return std::ranges::find(snapshot.tags, tag) != snapshot.tags.end();
  });
}

void apply_tags(const KeepPolicy& policy, Decision& decision) {
  for (const auto& wanted : policy.tags)
    if (has_tags(decision.snapshot.snapshot, wanted))
      decision.reasons.push_back(fmt::format("has tags [{}]", fmt::join(wanted, ", ")));
}

void apply_protection(WallTime now, Decision& decision) {
  const repo::Snapshot& snapshot = decision.snapshot.snapshot;
  if (snapshot.delete_rule == repo::DeleteRule::never)
    decision.reasons.emplace_back("marked as never to be deleted");
  if (snapshot.delete_rule == repo::DeleteRule::after &&
      repo::to_wall_time(snapshot.delete_after) > now)
    decision.reasons.push_back("marked as not to be deleted before " +
                               repo::format_node_time(snapshot.delete_after));
}

// Position in the walk from the newest; the last one is the oldest.
struct Place {
  std::size_t number = 0;
  bool is_oldest = false;
};

void apply(CountRule& rule, const Place& place, Decision& decision) {
  if (rule.left == 0) return;
  const std::int64_t bucket = rule.bucket_of == nullptr
                                  ? static_cast<std::int64_t>(place.number)
                                  : rule.bucket_of(local_time(decision.snapshot.snapshot.time));
  const bool is_new = bucket != rule.last_bucket;
  if (!is_new && !place.is_oldest) return;
  rule.last_bucket = bucket;
  if (rule.left > 0) --rule.left;
  decision.reasons.push_back(is_new ? std::string(rule.reason)
                                    : fmt::format("oldest {}", rule.reason));
}

void apply(SpanRule& rule, const repo::NodeTime& latest, const Place& place, Decision& decision) {
  if (rule.span.is_zero()) return;
  const auto& time = decision.snapshot.snapshot.time;
  if (!is_after(time, minus(latest, rule.span))) return;
  const std::int64_t bucket = rule.bucket_of(local_time(time));
  const bool is_new = bucket != rule.last_bucket;
  if (!is_new && !place.is_oldest) return;
  rule.last_bucket = bucket;
  decision.reasons.push_back(
      fmt::format("{}{} within {}", is_new ? "" : "oldest ", rule.reason, to_text(rule.span)));
}

}  // namespace

Result<CalendarSpan> parse_calendar_span(std::string_view text) {
  CalendarSpan span;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int count = 0;
    const auto parsed = std::from_chars(at, end, count);
    const bool in_range =
        parsed.ec == std::errc() && parsed.ptr != end && count >= 0 && count <= calendar_units_max;
    const char unit = in_range ? *parsed.ptr : '?';
    int* const field = unit == 'y'   ? &span.years
                       : unit == 'm' ? &span.months
                       : unit == 'd' ? &span.days
                       : unit == 'h' ? &span.hours
                                     : nullptr;
    if (field == nullptr || *field != 0)
      return fail(ErrorCode::usage,
                  fmt::format("\"{}\" is not a span of years, months, days and hours like 1y2m3d4h",
                              text.substr(0, 64)));
    *field = count;
    at = parsed.ptr + 1;
  }
  if (span.is_zero()) return fail(ErrorCode::usage, "a span of time to keep must not be empty");
  return span;
}

std::string to_text(const CalendarSpan& span) {
  std::string text;
  if (span.years != 0) text += fmt::format("{}y", span.years);
  if (span.months != 0) text += fmt::format("{}m", span.months);
  if (span.days != 0) text += fmt::format("{}d", span.days);
  if (span.hours != 0) text += fmt::format("{}h", span.hours);
  return text;
}

bool KeepPolicy::is_empty() const {
  const std::array counts{last, hourly, daily, weekly, monthly, yearly};
  const std::array spans{within,        within_hourly,  within_daily,
                         within_weekly, within_monthly, within_yearly};
  return tags.empty() && std::ranges::all_of(counts, [](int count) { return count == 0; }) &&
         std::ranges::all_of(spans, [](const CalendarSpan& span) { return span.is_zero(); });
}

std::vector<SnapshotGroup> group_snapshots(std::span<const repo::StoredSnapshot> snapshots) {
  std::map<std::pair<std::string, std::vector<std::string>>, SnapshotGroup> groups;
  for (const auto& stored : snapshots) {
    auto paths = stored.snapshot.paths;
    std::ranges::sort(paths);
    auto& group = groups[{stored.snapshot.hostname, paths}];
    group.hostname = stored.snapshot.hostname;
    group.paths = std::move(paths);
    group.snapshots.push_back(stored);
  }
  std::vector<SnapshotGroup> sorted;
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  return sorted;
}

std::vector<Decision> decide(const SnapshotGroup& group, const KeepPolicy& policy, WallTime now) {
  std::vector<Decision> decisions;
  for (const auto& stored : group.snapshots) decisions.push_back({stored, Fate::keep, {}});
  std::ranges::stable_sort(decisions, [](const Decision& a, const Decision& b) {
    return is_after(a.snapshot.snapshot.time, b.snapshot.snapshot.time);
  });
  if (policy.is_empty()) {
    for (auto& decision : decisions) decision.reasons.emplace_back("policy is empty");
    return decisions;
  }
  const repo::NodeTime latest = latest_time(decisions, now);
  auto counting = count_rules(policy);
  auto spanning = span_rules(policy);
  for (std::size_t number = 0; number < decisions.size(); ++number) {
    Decision& decision = decisions[number];
    const Place place{number, number + 1 == decisions.size()};
    apply_tags(policy, decision);
    if (!policy.within.is_zero() &&
        is_after(decision.snapshot.snapshot.time, minus(latest, policy.within)))
      decision.reasons.push_back("within " + to_text(policy.within));
    for (auto& rule : counting) apply(rule, place, decision);
    for (auto& rule : spanning) apply(rule, latest, place, decision);
    apply_protection(now, decision);
    if (decision.reasons.empty()) decision.fate = Fate::remove;
  }
  return decisions;
}

}  // namespace holdfast::retain
