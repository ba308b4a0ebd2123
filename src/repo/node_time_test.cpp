#include "repo/node_time.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

TEST_CASE("recorded times are written and read as restic does") {
  const auto bytes = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  const auto vectors = nlohmann::json::parse(as_text(bytes));
  for (const auto& recorded : vectors["times"]) {
    // One vector is beyond 64 bits of nanoseconds; JSON holds it as a double.
    if (!recorded["ns"].is_number_integer()) continue;
    const auto nanoseconds = recorded["ns"].get<std::int64_t>();
    const auto utc = recorded["utc"].get<std::string>();
    const NodeTime time = make_node_time(WallTime(Duration(nanoseconds)));
    CHECK(format_node_time(time) == utc);
    CHECK(parse_node_time(utc).value() == time);
    CHECK(to_wall_time(time) == WallTime(Duration(nanoseconds)));
  }
  CHECK(format_node_time({253402300799, 999999999, 0}) == "9999-12-31T23:59:59.999999999Z");
}

TEST_CASE("an offset is kept and written again") {
  for (const char* text : {"2026-11-24T03:55:16.411421096+05:30", "1969-12-31T19:00:00-05:00",
                           "2000-02-29T23:59:59.5+14:00", "0000-01-01T00:00:00Z"}) {
    const auto time = parse_node_time(text).value();
    CHECK(format_node_time(time) == text);
  }
  CHECK(parse_node_time("1970-01-01T01:00:00+01:00").value() == NodeTime{0, 0, 3600});
}

TEST_CASE("other spellings of the same time are read") {
  const NodeTime time = parse_node_time("2017-07-14T02:40:00.12Z").value();
  CHECK(time == NodeTime{1500000000, 120000000, 0});
  for (const char* text : {"2017-07-14t02:40:00.12z", "2017-07-14T02:40:00.120000000Z",
                           "2017-07-14T02:40:00.12+00:00", "2017-07-14T02:40:00.1200000004Z"})
    CHECK(parse_node_time(text).value() == time);
}

TEST_CASE("what is not a time is refused") {
  for (const char* text : {"",
                           "2017",
                           "2017-07-14",
                           "2017-07-14T02:40:00",
                           "2017-07-14T02:40:00.Z",
                           "2017-13-14T02:40:00Z",
                           "2017-00-14T02:40:00Z",
                           "2017-02-29T02:40:00Z",
                           "2017-07-00T02:40:00Z",
                           "2017-07-14T24:00:00Z",
                           "2017-07-14T02:60:00Z",
                           "2017-07-14T02:40:60Z",
                           "2017-07-14T02:40:00Zx",
                           "2017-07-14T02:40:00+24:00",
                           "2017-07-14T02:40:00+01:60",
                           "2017-07-14T02:40:00+01",
                           "12017-07-14T02:40:00Z",
                           "2017 07-14T02:40:00Z",
                           "2017-07-14T02:40:00\x1A",
                           "2017-07-14T02:40:00\x0B"
                           "01:00",
                           "2017\x0D"
                           "07-14T02:40:00Z"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_node_time(text).has_value());
  }
}

TEST_CASE("years that can not be written are moved to the nearest, keeping the day") {
  CHECK(format_node_time({-62198755200, 0, 0}) == "0000-01-01T00:00:00Z");  // year -1
  CHECK(format_node_time({253402300800, 0, 0}) == "9999-01-01T00:00:00Z");  // year 10000
  CHECK(format_node_time({253407398400, 0, 0}) == "9999-03-01T00:00:00Z");  // 10000-02-29
  CHECK(format_node_time(unknown_time) == "0001-01-01T00:00:00Z");
  constexpr auto smallest = std::numeric_limits<std::int64_t>::min();
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  for (const auto seconds : {smallest, largest})
    CHECK(parse_node_time(format_node_time({seconds, 999999999, 50400})).has_value());
}

TEST_CASE("each day of four centuries has the text that the calendar gives it") {
  using namespace std::chrono;
  for (int day = -200000; day < 200000; ++day) {
    const year_month_day date{sys_days(days(day))};
    const auto time = make_node_time(std::int64_t{day} * 86400 + 86399, 0, TimeOffset::utc);
    const std::string text = format_node_time(time);
    const auto number = [&](std::size_t at, std::size_t count) {
      return std::stoi(text.substr(at, count));
    };
    const bool same = number(0, 4) == static_cast<int>(date.year()) &&
                      number(5, 2) == static_cast<int>(static_cast<unsigned>(date.month())) &&
                      number(8, 2) == static_cast<int>(static_cast<unsigned>(date.day()));
    if (!same || parse_node_time(text).value() != time) FAIL(text);
  }
}

TEST_CASE("local times carry the offset of the time zone at that instant") {
  const NodeTime time = make_node_time(1500000000, 5, TimeOffset::local);
  CHECK(time.offset_seconds == local_offset_seconds(1500000000));
  CHECK(parse_node_time(format_node_time(time)).value().seconds == 1500000000);
}
