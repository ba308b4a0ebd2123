#include "catalog/mongo_moment.hpp"

#include <doctest/doctest.h>

namespace holdfast::catalog {
namespace {

oplog::SegmentFacts segment(std::uint32_t first, std::uint32_t last) {
  oplog::SegmentFacts facts;
  facts.first = {{first, 1}, 1};
  facts.last = {{last, 1}, 1};
  facts.entry_count = 2;
  return facts;
}

std::string refusal(const Result<MomentChoice>& choice) {
  REQUIRE_FALSE(choice.has_value());
  CHECK(choice.error().code == ErrorCode::no_point);
  return choice.error().message;
}

}  // namespace

TEST_CASE("a moment is a timestamp, a time of day with all of its second, or the last one") {
  CHECK(parse_moment("last")->kind == MomentKind::newest);
  const auto entry = parse_moment("1795474008,285").value();
  CHECK(entry.kind == MomentKind::entry);
  CHECK(entry.at == oplog::Timestamp{1795474008, 285});
  for (const char* text : {"2026-11-23T22:46:48Z", "2026-11-23T22:46:48", "2026-11-23 22:46:48",
                           "2026-11-23T23:46:48+01:00"}) {
    INFO(text);
    const auto moment = parse_moment(text).value();
    CHECK(moment.kind == MomentKind::whole_second);
    CHECK(moment.at == oplog::Timestamp{1795474008, UINT32_MAX});
    CHECK(describe(moment) == "2026-11-23T22:46:48Z, including all of that second");
  }
  CHECK(parse_moment("2026-11-23 22:46")->at.seconds == 1795473960);
  CHECK(parse_moment("2026-11-23T22:46Z")->at.seconds == 1795473960);
  CHECK(parse_moment("2026-11-23")->at.seconds == 1795392000);
}

TEST_CASE("what is no moment is refused") {
  for (const char* text : {"", "now", "1", "1,", ",1", "1,2,3", "-1,1", "4294967296,1", "yesterday",
                           "2026-13-01", "1960-01-01", "2026-11-23T"}) {
    INFO(text);
    const auto moment = parse_moment(text);
    REQUIRE_FALSE(moment.has_value());
    CHECK(moment.error().code == ErrorCode::usage);
  }
}

TEST_CASE("a moment is served by the newest base that can, or refused with the nearest") {
  const auto timeline = oplog::Timeline::make({segment(10, 40), segment(60, 90)}).value();
  const std::vector<oplog::BaseWindow> bases = {{oplog::BaseKind::fuzzy, {12, 1}, {15, 1}},
                                                {oplog::BaseKind::exact, {30, 1}, {30, 1}},
                                                {oplog::BaseKind::fuzzy, {62, 1}, {65, 1}}};
  const auto choose = [&](const char* text) {
    return choose_moment(timeline, bases, parse_moment(text).value());
  };
  CHECK(choose("20,1")->window.base == 0);
  CHECK(choose("35,1")->window.base == 1);
  CHECK(choose("last")->at == oplog::Timestamp{90, 1});
  CHECK(choose("last")->window.base == 2);
  CHECK(refusal(choose("13,1")).find("the first possible moment is 15,1") != std::string::npos);
  CHECK(refusal(choose("50,1"))
            .find("the nearest possible moments are 40,1 (1970-01-01T00:00:40Z)"
                  " and 65,1") != std::string::npos);
  CHECK(refusal(choose("91,1")).find("the last possible moment is 90,1") != std::string::npos);
  CHECK(refusal(choose("1970-01-01T00:01:30Z")).find("including all of that second") !=
        std::string::npos);
  CHECK(refusal(choose_moment(timeline, {}, Moment{})) == "no moment can be recovered yet");
}

}  // namespace holdfast::catalog
