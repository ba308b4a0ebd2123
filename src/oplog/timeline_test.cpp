#include "oplog/timeline.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "doubles/oplog_story.hpp"
#include "oplog/segment.hpp"

namespace holdfast::oplog {
namespace {

using test::noop;
using test::piece;

// No-ops of the seconds first..last as one segment.
SegmentFacts segment(std::uint32_t first, std::uint32_t last,
                     const SegmentFacts* previous = nullptr) {
  SegmentScan scan(previous);
  for (std::uint32_t second = first; second <= last; ++second)
    REQUIRE(scan.add(noop(second)).has_value());
  return scan.finish();
}

// The same range in a history that went another way.
SegmentFacts other_segment(std::uint32_t first, std::uint32_t last) {
  SegmentScan scan;
  for (std::uint32_t second = first; second <= last; ++second)
    REQUIRE(scan.add(test::insert(second, "a.b", 'A', R"({"_id":1})")).has_value());
  return scan.finish();
}

BaseWindow exact(std::uint32_t second) {
  return {BaseKind::exact, {second, 1}, {second, 1}};
}
BaseWindow fuzzy(std::uint32_t first, std::uint32_t last) {
  return {BaseKind::fuzzy, {first, 1}, {last, 1}};
}

TEST_CASE("A scan tells first, last, count, bytes and hashes") {
  const auto facts = segment(10, 12);
  CHECK(facts.first == OpTime{{10, 1}, 1});
  CHECK(facts.last == OpTime{{12, 1}, 1});
  CHECK(facts.entry_count == 3);
  Bytes all;
  for (std::uint32_t second = 10; second <= 12; ++second) append(all, noop(second));
  CHECK(facts.byte_count == all.size());
  CHECK(facts.content == hash_of(all));
  CHECK(facts.first_entry == hash_of(noop(10)));
  CHECK(facts.last_entry == hash_of(noop(12)));
  CHECK(facts.previous_entry.is_null());
}

TEST_CASE("A scan refuses disorder, also against its predecessor, and bytes that are no entry") {
  const auto before = segment(10, 12);
  SegmentScan scan(&before);
  CHECK_FALSE(scan.add(noop(12)).has_value());
  SegmentScan fresh;
  REQUIRE(fresh.add(noop(12)).has_value());
  CHECK_FALSE(fresh.add(noop(12)).has_value());
  CHECK_FALSE(fresh.add(test::json(R"({"op":"n"})")).has_value());
  CHECK_FALSE(fresh.add(as_bytes("rubbish")).has_value());
  CHECK(fresh.entry_count() == 1);
}

TEST_CASE("A scan keeps what it can not interpret") {
  SegmentScan scan;
  CHECK(scan.add(test::entry({10, 1}, "zz", "a.b", 0, R"("newField":1)")).has_value());
}

TEST_CASE("The oldest open transaction carries over from scan to scan") {
  const std::string part = R"({"applyOps":[],"partialTxn":true})";
  SegmentScan scan;
  REQUIRE(scan.add(piece(10, 'S', 1, 0, part)).has_value());
  REQUIRE(scan.add(piece(11, 'R', 1, 0, R"({"applyOps":[],"prepare":true})")).has_value());
  CHECK(scan.finish().oldest_open == Timestamp{10, 1});
  auto second = scan.next();
  REQUIRE(second.add(piece(12, 'S', 1, 10, R"({"applyOps":[]})")).has_value());
  CHECK(second.finish().oldest_open == Timestamp{11, 1});
  auto third = second.next();
  REQUIRE(third.add(piece(13, 'Q', 1, 0, part)).has_value());
  REQUIRE(third.add(test::entry({14, 1, 2}, "n", "", 0, R"("o":{})")).has_value());
  CHECK(third.finish().oldest_open == Timestamp{11, 1});  // a new term ends Q, not R
  auto fourth = third.next();
  REQUIRE(fourth.add(piece({15, 1, 2}, 'R', 1, 11, R"({"commitTransaction":1})")).has_value());
  CHECK(fourth.finish().oldest_open == Timestamp{});
}

TEST_CASE("A segment that names our end is continuous") {
  const auto first = segment(10, 12);
  const auto second = segment(15, 16, &first);
  auto timeline = Timeline::make({first}).value();
  CHECK(timeline.relation_of(second) == Relation::continuous);
  CHECK(timeline.append(second).value() == Relation::continuous);
  REQUIRE(timeline.chains().size() == 1);
  CHECK(timeline.chains()[0].last().ts == Timestamp{16, 1});
}

TEST_CASE("A later segment that names nobody stands behind a gap") {
  auto timeline = Timeline::make({segment(10, 12)}).value();
  CHECK(timeline.append(segment(15, 16)).value() == Relation::gap);
  CHECK(timeline.chains().size() == 2);
}

TEST_CASE("Segments in any order join, and a late one closes its gap") {
  const auto first = segment(10, 12);
  const auto second = segment(15, 16, &first);
  const auto third = segment(20, 21, &second);
  auto timeline = Timeline::make({third, first}).value();
  CHECK(timeline.chains().size() == 2);
  CHECK(timeline.append(second).value() == Relation::continuous);
  CHECK(timeline.chains().size() == 1);
  CHECK(Timeline::make({third, second, first})->chains().size() == 1);
}

TEST_CASE("What lies inside is a duplicate, what goes beyond an overlap") {
  auto timeline = Timeline::make({segment(10, 20)}).value();
  CHECK(timeline.append(segment(10, 20)).value() == Relation::duplicate);
  CHECK(timeline.append(segment(12, 15)).value() == Relation::duplicate);
  CHECK(timeline.relation_of(segment(15, 25)) == Relation::overlap);
  CHECK(timeline.append(segment(15, 25)).value() == Relation::overlap);
  REQUIRE(timeline.chains().size() == 1);
  CHECK(timeline.chains()[0].last().ts == Timestamp{25, 1});
  const auto refused = timeline.append(segment(5, 30));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::conflict);
}

TEST_CASE("A segment merged from others, and those others, are one chain in any order") {
  const auto before = segment(5, 9);
  const auto first = segment(10, 12, &before);
  const auto second = segment(13, 15, &first);
  const auto third = segment(16, 20, &second);
  const auto merged = segment(10, 20, &before);
  const auto after = segment(21, 22, &third);
  std::vector<SegmentFacts> all{after, third, merged, first, before, second};
  for (int turn = 0; turn < 6; ++turn) {
    std::rotate(all.begin(), all.begin() + 1, all.end());
    const auto timeline = Timeline::make(all);
    REQUIRE(timeline.has_value());
    REQUIRE(timeline->chains().size() == 1);
    CHECK(timeline->chains()[0].segments == std::vector{before, merged, after});
  }
}

TEST_CASE("Segments of two captures that ran at the same time join where they overlap") {
  const auto first = segment(10, 20);
  const auto second = segment(21, 30, &first);
  const auto other = segment(15, 25);
  const auto other_next = segment(26, 35, &other);
  const auto timeline = Timeline::make({other_next, second, other, first});
  REQUIRE(timeline.has_value());
  REQUIRE(timeline->chains().size() == 1);
  CHECK(timeline->chains()[0].segments == std::vector{first, other, second, other_next});
  CHECK(timeline->recoverable({exact(12)}).front().to == Timestamp{35, 1});
}

TEST_CASE("Other bytes at the same timestamps, or a term that goes back, diverge") {
  const auto first = segment(10, 20);
  auto timeline = Timeline::make({first}).value();
  CHECK(timeline.relation_of(other_segment(10, 20)) == Relation::diverged);
  CHECK(timeline.relation_of(other_segment(20, 22)) == Relation::diverged);
  auto stranger = other_segment(10, 20);
  CHECK(timeline.relation_of(segment(25, 26, &stranger)) == Relation::diverged);
  SegmentScan old_term;
  REQUIRE(old_term.add(test::entry({30, 1, 0}, "n", "", 0, R"("o":{})")).has_value());
  CHECK(timeline.relation_of(old_term.finish()) == Relation::diverged);
  CHECK_FALSE(timeline.append(other_segment(10, 20)).has_value());
}

TEST_CASE("A base and the chain that holds its moment give a window") {
  const auto first = segment(10, 20);
  const auto timeline = Timeline::make({first, segment(21, 30, &first)}).value();
  const auto windows = timeline.recoverable({fuzzy(12, 14), exact(25)});
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].from == Timestamp{14, 1});
  CHECK(windows[0].to == Timestamp{30, 1});
  CHECK(windows[1].from == Timestamp{25, 1});
  CHECK(windows[1].base == 1);
}

TEST_CASE("A fuzzy base whose window is not recorded gives nothing, an exact one its own moment") {
  const auto timeline = Timeline::make({segment(10, 20)}).value();
  CHECK(timeline.recoverable({fuzzy(5, 15), fuzzy(15, 25)}).empty());
  const auto windows = timeline.recoverable({exact(25), exact(5)});
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].to == Timestamp{5, 1});
  CHECK(windows[1].chain == Recoverable::npos);
}

TEST_CASE("An exact base right before a chain that names its moment is served") {
  const auto before = segment(8, 9);
  const auto timeline = Timeline::make({segment(10, 20, &before)}).value();
  CHECK(timeline.recoverable({exact(9)})[0].to == Timestamp{20, 1});
}

TEST_CASE("The newest base before T is chosen; in a gap the nearest moments are named") {
  const auto timeline = Timeline::make({segment(10, 20), segment(30, 40)}).value();
  const std::vector<BaseWindow> bases = {exact(10), exact(15), exact(32)};
  CHECK(timeline.choose(bases, {18, 1})->base == 1);
  CHECK(timeline.choose(bases, {12, 1})->base == 0);
  CHECK(timeline.choose(bases, {40, 1})->base == 2);
  const auto in_gap = timeline.choose(bases, {25, 1});
  REQUIRE_FALSE(in_gap.has_value());
  CHECK(in_gap.error().code == ErrorCode::no_point);
  CHECK(in_gap.error().message.find("20,1 and 32,1") != std::string::npos);
  CHECK(timeline.choose(bases, {5, 1}).error().message.find("10,1") != std::string::npos);
  CHECK(timeline.choose(bases, {45, 1}).error().message.find("40,1") != std::string::npos);
  CHECK(timeline.choose({}, {45, 1}).error().message.find("no moment") != std::string::npos);
}

TEST_CASE("Reading starts early enough for the transactions open at the base's moment") {
  SegmentScan scan;
  REQUIRE(scan.add(noop(10)).has_value());
  REQUIRE(scan.add(piece(11, 'S', 1, 0, R"({"applyOps":[],"prepare":true})")).has_value());
  const auto first = scan.finish();
  auto next = scan.next();
  REQUIRE(next.add(noop(20)).has_value());
  const auto second = next.finish();
  auto last = next.next();
  REQUIRE(last.add(noop(30)).has_value());
  const auto timeline = Timeline::make({first, second, last.finish()}).value();
  const auto& chain = timeline.chains().at(0);
  CHECK(Timeline::first_segment_for(chain, exact(30)) == 0);
  CHECK(Timeline::first_segment_for(chain, exact(10)) == 0);
  const auto before = segment(10, 12);
  const auto after = segment(20, 22, &before);
  const auto calm = Timeline::make({before, after}).value();
  CHECK(Timeline::first_segment_for(calm.chains()[0], exact(21)) == 1);
  CHECK(Timeline::first_segment_for(calm.chains()[0], fuzzy(12, 21)) == 0);
}

}  // namespace
}  // namespace holdfast::oplog
