#include "retain/needed_segments.hpp"

#include <doctest/doctest.h>

namespace holdfast::retain {
namespace {

Decision decision(Fate fate, std::vector<std::string> tags) {
  Decision made;
  made.fate = fate;
  made.snapshot.snapshot.tags = std::move(tags);
  return made;
}

Decision base(Fate fate, const std::string& from, const std::string& dataset = "shop") {
  return decision(fate, {"dataset=" + dataset, "kind=mongodb", "from=" + from});
}

Decision segments(const std::string& to, const std::string& dataset = "shop") {
  return decision(Fate::remove, {"dataset=" + dataset, "kind=segments", "to=" + to});
}

Fate fate_after(std::vector<Decision> decisions) {
  keep_needed_segments(decisions);
  return decisions.back().fate;
}

}  // namespace

TEST_CASE("segments that a kept base may need stay, with the reason") {
  std::vector<Decision> decisions{base(Fate::keep, "1795474008.285"), segments("1795474008.285")};
  keep_needed_segments(decisions);
  CHECK(decisions[1].fate == Fate::keep);
  CHECK(decisions[1].reasons == std::vector<std::string>{"needed by a base"});
}

TEST_CASE("segments that end long before every kept base go") {
  CHECK(fate_after({base(Fate::keep, "1795474008.1"), segments("1795300000.1")}) == Fate::remove);
  CHECK(fate_after({base(Fate::keep, "1795474008.1"), segments("1795474000.1")}) == Fate::keep);
  CHECK(fate_after({base(Fate::keep, "1795474008.1"), base(Fate::keep, "1795200000.1"),
                    segments("1795300000.1")}) == Fate::keep);
}

TEST_CASE("segments of a dataset without a kept base are left to the policy") {
  CHECK(fate_after({base(Fate::remove, "1.1"), segments("2.1")}) == Fate::remove);
  CHECK(fate_after({base(Fate::keep, "1.1", "other"), segments("2.1")}) == Fate::remove);
  CHECK(fate_after({decision(Fate::keep, {"dataset=shop", "kind=mongodb"}), segments("2.1")}) ==
        Fate::remove);
}

TEST_CASE("segments that do not say what they hold stay beside a base") {
  CHECK(fate_after({base(Fate::keep, "9.1"),
                    decision(Fate::remove, {"dataset=shop", "kind=segments"})}) == Fate::keep);
  CHECK(fate_after({base(Fate::keep, "9.1"),
                    decision(Fate::remove, {"dataset=shop", "kind=segments", "to=x.y"})}) ==
        Fate::keep);
}

TEST_CASE("snapshots that are no segments are left alone") {
  CHECK(fate_after({base(Fate::keep, "1.1"), decision(Fate::remove, {"nightly"})}) == Fate::remove);
  CHECK(fate_after({base(Fate::keep, "1.1"), base(Fate::remove, "0.1")}) == Fate::remove);
  SnapshotGroup group;
  group.snapshots = {segments("1.1").snapshot};
  group.snapshots.push_back(decision(Fate::keep, {"dataset=shop", "kind=diverged"}).snapshot);
  CHECK(is_companion_group(group));
  group.snapshots.push_back(base(Fate::keep, "1.1").snapshot);
  CHECK_FALSE(is_companion_group(group));
}

}  // namespace holdfast::retain
