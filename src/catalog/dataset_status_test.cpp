#include "catalog/dataset_status.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"
#include "oplog/segment.hpp"

namespace holdfast::catalog {
namespace {

using std::chrono::seconds;

oplog::SegmentFacts segment(std::uint32_t first, std::uint32_t last,
                            const oplog::SegmentFacts* previous = nullptr) {
  oplog::SegmentScan scan(previous);
  for (std::uint32_t second = first; second <= last; ++second)
    REQUIRE(scan.add(test::noop(second)).has_value());
  return scan.finish();
}

oplog::BaseWindow exact(std::uint32_t second) {
  return {oplog::BaseKind::exact, {second, 1}, {second, 1}};
}

WallTime at(std::uint32_t second) {
  return WallTime(seconds(second));
}

}  // namespace

TEST_CASE("A dataset without anything has no window and no age") {
  const auto status = status_of({}, {}, at(100), std::nullopt);
  CHECK(status.base_count == 0);
  CHECK_FALSE(status.window.has_value());
  CHECK_FALSE(status.recovery_point_age.has_value());
  CHECK_FALSE(status.lag.has_value());
}

TEST_CASE("The window is that of the newest chain from its oldest base, its age that of its end") {
  const auto first = segment(10, 20);
  const auto timeline =
      oplog::Timeline::make({first, segment(30, 40), segment(21, 25, &first)}).value();
  const auto status = status_of(timeline, {exact(12), exact(38), exact(33)}, at(100), std::nullopt);
  REQUIRE(status.window.has_value());
  CHECK(status.window->from == oplog::Timestamp{33, 1});
  CHECK(status.window->to == oplog::Timestamp{40, 1});
  CHECK(status.newest_base == oplog::Timestamp{38, 1});
  CHECK(status.recovery_point_age == seconds(60));
  CHECK(status.segment_count == 3);
  REQUIRE(status.gaps.size() == 1);
  CHECK(status.gaps[0].from == oplog::Timestamp{25, 1});
  CHECK(status.gaps[0].to == oplog::Timestamp{30, 1});
}

TEST_CASE("A server tells lag, headroom and its own window") {
  const auto timeline = oplog::Timeline::make({segment(10, 40)}).value();
  const ServerOplog server{{15, 1}, {47, 1}};
  const auto status = status_of(timeline, {exact(12)}, at(50), server);
  CHECK(status.lag == seconds(7));
  CHECK(status.headroom == seconds(25));
  CHECK_FALSE(status.lost.has_value());
  CHECK(status.server_window == seconds(32));
  CHECK(status.recovery_point_age == seconds(10));
}

TEST_CASE("An idle server that has nothing new leaves nothing to lose") {
  const auto timeline = oplog::Timeline::make({segment(10, 40)}).value();
  const auto status = status_of(timeline, {exact(12)}, at(5000), ServerOplog{{10, 1}, {40, 1}});
  CHECK(status.recovery_point_age == seconds(0));
  CHECK(status.lag == seconds(0));
}

TEST_CASE("Entries that are overwritten before they are recorded make the headroom negative") {
  const auto timeline = oplog::Timeline::make({segment(10, 40)}).value();
  const auto status = status_of(timeline, {exact(12)}, at(500), ServerOplog{{100, 1}, {200, 1}});
  CHECK(status.headroom == seconds(-60));
  REQUIRE(status.lost.has_value());
  CHECK(status.lost->from == oplog::Timestamp{40, 1});
  CHECK(status.lost->to == oplog::Timestamp{100, 1});
  CHECK(status.lag == seconds(160));
}

TEST_CASE("A clock that is behind the cluster's gives no negative age") {
  const auto timeline = oplog::Timeline::make({segment(10, 40)}).value();
  CHECK(status_of(timeline, {exact(12)}, at(5), std::nullopt).recovery_point_age == seconds(0));
}

}  // namespace holdfast::catalog
