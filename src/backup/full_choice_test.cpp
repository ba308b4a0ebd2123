#include "backup/full_choice.hpp"

#include <doctest/doctest.h>

namespace holdfast::backup {
namespace {

WallTime day(int number) {
  return WallTime(std::chrono::days(20'000 + number));
}

FullHistory good() {
  FullHistory history;
  history.real_full = day(0);
  history.newest = oplog::BaseWindow{oplog::BaseKind::exact, {5, 1}, {5, 1}};
  history.is_continued = true;
  return history;
}

TEST_CASE("with a base, its oplog and a young full backup the next one is computed") {
  const auto decision = decide_full(good(), day(3), {});
  CHECK(decision.kind == FullKind::synthetic);
  CHECK(
      decision.reason ==
      "the last full backup from the server is 3 days old and the recorded oplog goes on from the "
      "newest base");
}

TEST_CASE("everything else needs the server, and says why") {
  FullHistory history = good();
  FullPolicy policy;
  const auto reason = [&](int now) {
    const auto decision = decide_full(history, day(now), policy);
    CHECK(decision.kind == FullKind::real);
    return decision.reason;
  };
  SUBCASE("asked for") {
    policy.is_forced = true;
    CHECK(reason(1) == "a full backup was asked for");
  }
  SUBCASE("no base") {
    history = {};
    CHECK(reason(1) == "there is no base yet that tells its time");
  }
  SUBCASE("only computed bases left") {
    history.real_full.reset();
    CHECK(reason(1) == "the repository has no base that was read from the server");
  }
  SUBCASE("a gap") {
    history.is_continued = false;
    CHECK(reason(1).find("without a gap") != std::string::npos);
  }
  SUBCASE("old age") {
    CHECK(decide_full(history, day(29), policy).kind == FullKind::synthetic);
    CHECK(reason(30) ==
          "the last full backup from the server is 30 days old; one is taken every 30 days");
    policy.real_full_age_max = std::chrono::hours(24);
    CHECK(reason(1).find("1 days old") != std::string::npos);
  }
  SUBCASE("a failed check, until the next full backup") {
    history.failed_check = day(2);
    CHECK(reason(3).find("comparison with the server") != std::string::npos);
    history.real_full = day(3);
    CHECK(decide_full(history, day(4), policy).kind == FullKind::synthetic);
  }
}

}  // namespace
}  // namespace holdfast::backup
