#include "retain/policy.hpp"

#include <doctest/doctest.h>

#include <map>

namespace holdfast::retain {
namespace {

repo::StoredSnapshot snapshot_at(std::string_view time, std::vector<std::string> tags = {}) {
  static std::uint8_t next = 0;
  repo::StoredSnapshot stored;
  stored.id.bytes[0] = ++next;
  stored.snapshot.time = repo::parse_node_time(time).value();
  stored.snapshot.hostname = "host";
  stored.snapshot.paths = {"/data"};
  stored.snapshot.tags = std::move(tags);
  return stored;
}

SnapshotGroup group_of(std::initializer_list<std::string_view> times) {
  SnapshotGroup group;
  for (const auto time : times) group.snapshots.push_back(snapshot_at(time));
  return group;
}

const WallTime now = repo::to_wall_time(repo::parse_node_time("2030-01-01T00:00:00Z").value());

// "time: reason, reason" for each kept snapshot, newest first.
std::vector<std::string> kept(const SnapshotGroup& group, const KeepPolicy& policy) {
  std::vector<std::string> lines;
  for (const auto& decision : decide(group, policy, now)) {
    CHECK((decision.fate == Fate::remove) == decision.reasons.empty());
    if (decision.fate == Fate::remove) continue;
    std::string line = repo::format_node_time(decision.snapshot.snapshot.time) + ":";
    for (const auto& reason : decision.reasons) line += " " + reason + ";";
    lines.push_back(line);
  }
  return lines;
}
using Lines = std::vector<std::string>;

TEST_CASE("an empty policy keeps everything and says so") {
  const auto lines = kept(group_of({"2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"}), {});
  CHECK(lines ==
        Lines{"2024-01-02T00:00:00Z: policy is empty;", "2024-01-01T00:00:00Z: policy is empty;"});
}

TEST_CASE("keep-last keeps the newest, whatever the order they come in") {
  const auto group = group_of({"2024-01-02T00:00:00Z", "2024-01-04T00:00:00Z",
                               "2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"});
  CHECK(kept(group, {.last = 2}) ==
        Lines{"2024-01-04T00:00:00Z: last snapshot;", "2024-01-03T00:00:00Z: last snapshot;"});
  CHECK(kept(group, {.last = keep_unlimited}).size() == 4);
}

TEST_CASE("keep-hourly keeps the newest of each hour and, with counts left, the oldest") {
  const auto group = group_of({"2024-01-01T10:50:00Z", "2024-01-01T10:10:00Z",
                               "2024-01-01T09:59:59Z", "2024-01-01T09:30:00Z"});
  CHECK(kept(group, {.hourly = 2}) ==
        Lines{"2024-01-01T10:50:00Z: hourly snapshot;", "2024-01-01T09:59:59Z: hourly snapshot;"});
  CHECK(kept(group, {.hourly = 3}) == Lines{"2024-01-01T10:50:00Z: hourly snapshot;",
                                            "2024-01-01T09:59:59Z: hourly snapshot;",
                                            "2024-01-01T09:30:00Z: oldest hourly snapshot;"});
}

TEST_CASE("a snapshot kept for several reasons lists all of them") {
  const auto group = group_of({"2024-03-01T10:00:00Z", "2024-02-29T10:00:00Z"});
  CHECK(kept(group, {.last = 1, .daily = 2, .monthly = 1, .yearly = 1}) ==
        Lines{"2024-03-01T10:00:00Z: last snapshot; daily snapshot; monthly snapshot; yearly "
              "snapshot;",
              "2024-02-29T10:00:00Z: daily snapshot;"});
}

TEST_CASE("weeks are ISO weeks: they start on Monday and may cross the year") {
  // 2024-12-30 is a Monday and in the same ISO week as 2025-01-05, a Sunday.
  const auto group = group_of({"2025-01-06T00:00:00Z", "2025-01-05T23:59:59Z",
                               "2024-12-30T00:00:00Z", "2024-12-29T23:59:59Z"});
  CHECK(kept(group, {.weekly = 3}) == Lines{"2025-01-06T00:00:00Z: weekly snapshot;",
                                            "2025-01-05T23:59:59Z: weekly snapshot;",
                                            "2024-12-29T23:59:59Z: weekly snapshot;"});
}

TEST_CASE("days are those of the zone that the snapshot's time carries") {
  const auto group = group_of({"2024-01-02T00:30:00+02:00", "2024-01-01T23:00:00+02:00"});
  CHECK(kept(group, {.daily = 2}).size() == 2);
  const auto utc = group_of({"2024-01-01T22:30:00Z", "2024-01-01T21:00:00Z"});
  CHECK(kept(utc, {.daily = 1}).size() == 1);
}

TEST_CASE("within counts back from the newest snapshot, not from today") {
  const auto group = group_of({"2020-03-31T12:00:00Z", "2020-03-03T12:00:00Z",
                               "2020-03-02T12:00:00Z", "2020-02-20T12:00:00Z"});
  const KeepPolicy month{.within = {.months = 1}};
  // Go: 31 March minus a month is 31 February is 2 March; what is later than that stays.
  CHECK(kept(group, month) ==
        Lines{"2020-03-31T12:00:00Z: within 1m;", "2020-03-03T12:00:00Z: within 1m;"});
  CHECK(kept(group, {.within = {.days = 40, .hours = 1}}).size() == 4);
  CHECK(kept(group, {.within = {.days = 40}}).size() == 3);
}

TEST_CASE("a snapshot from the future is not what within counts from") {
  const auto group = group_of({"2099-01-01T00:00:00Z", "2024-01-02T00:00:00Z",
                               "2024-01-01T12:00:00Z", "2023-01-01T00:00:00Z"});
  CHECK(kept(group, {.within = {.days = 1}}).size() == 3);
}

TEST_CASE("within-daily keeps one a day inside the span") {
  const auto group =
      group_of({"2024-01-10T20:00:00Z", "2024-01-10T10:00:00Z", "2024-01-09T20:00:00Z",
                "2024-01-09T10:00:00Z", "2023-12-01T00:00:00Z"});
  CHECK(kept(group, {.within_daily = {.days = 7}}) ==
        Lines{"2024-01-10T20:00:00Z: daily within 7d;", "2024-01-09T20:00:00Z: daily within 7d;"});
}

TEST_CASE("keep-tag: all tags of a list, any of several lists, and none for the empty one") {
  SnapshotGroup group;
  group.snapshots = {snapshot_at("2024-01-03T00:00:00Z", {"a", "b"}),
                     snapshot_at("2024-01-02T00:00:00Z", {"a"}),
                     snapshot_at("2024-01-01T00:00:00Z")};
  KeepPolicy both;
  both.tags = {{"a", "b"}};
  CHECK(kept(group, both) == Lines{"2024-01-03T00:00:00Z: has tags [a, b];"});
  KeepPolicy either;
  either.tags = {{"b"}, {"a"}};
  CHECK(kept(group, either).size() == 2);
  KeepPolicy none;
  none.tags = {{""}};
  CHECK(kept(group, none) == Lines{"2024-01-01T00:00:00Z: has tags [];"});
}

TEST_CASE("snapshots that rustic protects stay") {
  auto group = group_of({"2024-01-03T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-01T00:00:00Z"});
  group.snapshots[1].snapshot.delete_rule = repo::DeleteRule::never;
  group.snapshots[2].snapshot.delete_rule = repo::DeleteRule::after;
  group.snapshots[2].snapshot.delete_after = repo::parse_node_time("2031-01-01T00:00:00Z").value();
  CHECK(kept(group, {.last = 1}).size() == 3);
  group.snapshots[2].snapshot.delete_after = repo::parse_node_time("2029-01-01T00:00:00Z").value();
  CHECK(kept(group, {.last = 1}).size() == 2);
}

TEST_CASE("groups: host and the set of paths, in any order") {
  const auto of = [](std::string_view hostname, std::vector<std::string> paths) {
    repo::StoredSnapshot stored;
    stored.snapshot.hostname = hostname;
    stored.snapshot.paths = std::move(paths);
    return stored;
  };
  const std::vector snapshots{of("one", {"/b", "/a"}), of("one", {"/a", "/b"}), of("one", {"/a"}),
                              of("two", {"/a"})};
  const auto groups = group_snapshots(snapshots);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].paths == std::vector<std::string>{"/a"});
  CHECK(groups[1].snapshots.size() == 2);
  CHECK(groups[2].hostname == "two");
}

TEST_CASE("spans of time: each unit once, in any order") {
  CHECK(parse_calendar_span("2y5m7d3h").value() == CalendarSpan{2, 5, 7, 3});
  CHECK(parse_calendar_span("3h7d").value() == CalendarSpan{0, 0, 7, 3});
  CHECK(to_text({2, 5, 7, 3}) == "2y5m7d3h");
  for (const std::string_view bad : {"", "0d", "7", "d", "-1d", "1w", "1d2d", "1d ", "9999999y"}) {
    CAPTURE(bad);
    CHECK(parse_calendar_span(bad).error().code == ErrorCode::usage);
  }
}

}  // namespace
}  // namespace holdfast::retain
