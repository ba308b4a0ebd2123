#include "dataset/live_ranges.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"
#include "bson/key.hpp"
#include "dataset/live_catalog.hpp"

namespace holdfast::dataset {
namespace {

Bytes document(std::string_view json) {
  return bson::parse_ext_json(json).value();
}

std::vector<Bytes> bounds(std::initializer_list<const char*> texts) {
  std::vector<Bytes> out;
  for (const auto* text : texts) out.push_back(document("{\"_id\":" + std::string(text) + "}"));
  return out;
}

Bytes key(const char* text) {
  const Bytes holder = bounds({text}).front();
  return bson::key_of(bson::Document::trusted(holder).begin()->value);
}

}  // namespace

TEST_CASE("without bounds one cursor reads everything") {
  const auto ranges = ranges_between({});
  REQUIRE(ranges.size() == 1);
  CHECK(ranges[0].kind == RangeKind::everything);
  CHECK(ranges[0].filter.empty());
  CHECK(ranges[0].may_hold(key("5")));
}

TEST_CASE("bounds cut into stretches that touch, and the rest is the negation of all of them") {
  const auto ranges = ranges_between(bounds({"20", "10", "10"}));
  REQUIRE(ranges.size() == 4);
  CHECK(ranges[0].filter == document(R"({"_id":{"$lt":10}})"));
  CHECK(ranges[1].filter == document(R"({"_id":{"$gte":10,"$lt":20}})"));
  CHECK(ranges[2].filter == document(R"({"_id":{"$gte":20}})"));
  CHECK(ranges[3].filter == document(R"({"$nor":[{"_id":{"$lt":10}},{"_id":{"$gte":10}}]})"));
  CHECK(ranges[3].kind == RangeKind::rest);
}

TEST_CASE("a stretch knows which documents a server may give for it") {
  const auto ranges = ranges_between(bounds({"10", "20"}));
  CHECK(ranges[0].may_hold(key("9.5")));
  CHECK_FALSE(ranges[0].may_hold(key("10")));
  CHECK(ranges[1].may_hold(key("10.0")));
  CHECK_FALSE(ranges[1].may_hold(key("20")));
  CHECK(ranges[2].may_hold(key("20")));
  CHECK_FALSE(ranges[2].may_hold(key("19")));
}

TEST_CASE("bounds are of the kind that most of them have") {
  const auto usable =
      usable_bounds(bounds({"\"b\"", "5", "\"a\"", "null", "{\"x\":1}", "true", "\"c\""}));
  CHECK(usable == bounds({"\"a\"", "\"b\"", "\"c\""}));
}

TEST_CASE("neither NaN nor values that servers compare differently are bounds") {
  CHECK(usable_bounds(bounds({"{\"$numberDouble\":\"NaN\"}", "null", "true", "{\"x\":1}",
                              "{\"$numberDecimal\":\"1.5\"}"}))
            .empty());
}

TEST_CASE("all numbers are of one kind, and equal ones are one bound") {
  const auto usable = usable_bounds(bounds(
      {"{\"$numberLong\":\"7\"}", "{\"$numberDouble\":\"7.0\"}", "3", "{\"$numberLong\":\"5\"}"}));
  REQUIRE(usable.size() == 3);
  CHECK(usable[0] == bounds({"3"}).front());
}

TEST_CASE("what a base leaves out") {
  CHECK(is_backed_up("shop", "orders"));
  CHECK(is_backed_up("shop", "system.views"));
  CHECK(is_backed_up("shop", "system.js"));
  CHECK(is_backed_up("shop", "system.buckets.metrics"));
  CHECK(is_backed_up("admin", "system.users"));
  CHECK(is_backed_up("config", "chunks"));
  CHECK_FALSE(is_backed_up("shop", "system.profile"));
  CHECK_FALSE(is_backed_up("admin", "system.keys"));
  CHECK_FALSE(is_backed_up("config", "transactions"));
  CHECK_FALSE(is_backed_up("config", "system.sessions"));
  CHECK_FALSE(is_backed_up("local", "oplog.rs"));
}

TEST_CASE("what FerretDB adds to an index is not kept, what a person asked for is") {
  const auto kept = [](std::string_view json) {
    const Bytes spec = document(json);
    return portable_index(bson::Document::trusted(spec));
  };
  CHECK(kept(R"({"v":2,"key":{"a":1},"name":"a_1","storageEngine":{"enableOrderedIndex":true}})") ==
        document(R"({"v":2,"key":{"a":1},"name":"a_1"})"));
  const auto* own = R"({"v":2,"key":{"a":1},"storageEngine":{"wiredTiger":{"configString":"x"}}})";
  CHECK(kept(own) == document(own));
}

}  // namespace holdfast::dataset
