#include "oplog/entry.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::entry;
using test::json;

const EntryRules no_rules;

ErrorCode code_of(const Bytes& bytes) {
  const auto parsed = Entry::parse(bytes, no_rules);
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error().code;
}

TEST_CASE("An insert shows all that its envelope says") {
  const auto bytes = entry({100, 7, 3}, "i", "shop.item", 'A',
                           R"("wall":{"$date":{"$numberLong":"5"}},"fromMigrate":true,
                              "o":{"_id":7,"name":"cup"})");
  const auto parsed = Entry::parse(bytes, no_rules);
  REQUIRE(parsed.has_value());
  CHECK(parsed->op == Op::insert);
  CHECK(parsed->optime() == OpTime{{100, 7}, 3});
  CHECK(parsed->ns == "shop.item");
  CHECK(parsed->uuid == test::uuid_of('A'));
  CHECK(parsed->wall_ms == 5);
  CHECK(parsed->is_from_migrate);
  CHECK(parsed->o.find("name")->as_text() == "cup");
}

TEST_CASE("An unknown envelope field is refused by name, with ts and the raw entry") {
  const auto bytes = entry({100, 7}, "i", "shop.item", 'A', R"("newField":1,"o":{"_id":7})");
  const auto parsed = Entry::parse(bytes, no_rules);
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().code == ErrorCode::unsupported);
  CHECK(parsed.error().message.find("newField") != std::string::npos);
  CHECK(parsed.error().message.find("100,7") != std::string::npos);
  CHECK(parsed.error().message.find(R"("_id":{"$numberInt":"7"})") != std::string::npos);
}

TEST_CASE("An unknown field that a person allowed is passed over") {
  const auto bytes = entry({100, 7}, "i", "shop.item", 'A', R"("newField":1,"o":{"_id":7})");
  CHECK(Entry::parse(bytes, {{"newField"}, {}}).has_value());
}

TEST_CASE("The ts is named even when the refused field stands before it") {
  const auto bytes = json(R"({"strange":1,"ts":{"$timestamp":{"t":9,"i":4}}})");
  const auto parsed = Entry::parse(bytes, no_rules);
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().message.find("9,4") != std::string::npos);
}

TEST_CASE("Duplicate, missing and mistyped fields are malformed") {
  CHECK(code_of(entry({1, 1}, "i", "a.b", 'A', R"("o":{"_id":1},"o":{"_id":2})")) ==
        ErrorCode::malformed);
  CHECK(code_of(entry({1, 1}, "i", "a.b", 'A', R"("o2":{"_id":1})")) == ErrorCode::malformed);
  CHECK(code_of(entry({1, 1}, "i", "a.b", 'A', R"("o":1)")) == ErrorCode::malformed);
  CHECK(code_of(entry({1, 1}, "u", "a.b", 'A', R"("o":{"_id":1})")) == ErrorCode::malformed);
  CHECK(code_of(entry({1, 1}, "i", "a.b", 'A', R"("o":{"_id":1},"wall":1)")) ==
        ErrorCode::malformed);
  CHECK(code_of(json(R"({"op":"n","ns":"","o":{},"v":{"$numberLong":"2"}})")) ==
        ErrorCode::malformed);
  CHECK(code_of(to_bytes(as_bytes("no bson"))) == ErrorCode::malformed);
}

TEST_CASE("What changes the meaning of an entry is refused") {
  CHECK(code_of(entry({1, 1}, "xi", "a.b", 'A', R"("o":{})")) == ErrorCode::unsupported);
  CHECK(code_of(entry({1, 1}, "i", "a.b", 'A', R"("o":{"_id":1},"tid":1)")) ==
        ErrorCode::unsupported);
  CHECK(code_of(entry({1, 1}, "c", "a.$cmd", 0, R"("o":{"applyOps":[]},"multiOpType":2)")) ==
        ErrorCode::unsupported);
  CHECK(code_of(json(R"({"ts":{"$timestamp":{"t":9,"i":4}},"v":{"$numberLong":"1"},
                         "op":"n","ns":"","o":{}})")) == ErrorCode::unsupported);
}

TEST_CASE("Bookkeeping of storage containers is no document change") {
  const auto parsed =
      Entry::parse(entry({1, 1}, "ci", "", 0, R"("o":{},"container":"index-1")"), no_rules);
  REQUIRE(parsed.has_value());
  CHECK(parsed->op == Op::ignored);
}

TEST_CASE("An inner operation takes ts and session from outside and refuses envelope fields") {
  const auto outer_bytes = test::piece(50, 'S', 4, 0, R"({"applyOps":[]})");
  const auto outer = Entry::parse(outer_bytes, no_rules);
  REQUIRE(outer.has_value());
  const auto inner = json(test::inner("i", "shop.a", 'A', R"("o":{"_id":1})"));
  const auto parsed = Entry::parse_inner(bson::Document::trusted(inner), *outer, no_rules);
  REQUIRE(parsed.has_value());
  CHECK(parsed->ts == outer->ts);
  CHECK(parsed->txn_number == 4);
  const auto strange = json(test::inner("i", "shop.a", 'A', R"("o":{"_id":1},"wall":1)"));
  const auto refused = Entry::parse_inner(bson::Document::trusted(strange), *outer, no_rules);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::unsupported);
}

TEST_CASE("Timestamps ascend strictly and terms never go back") {
  OrderCheck order;
  CHECK(order.accept({{10, 1}, 1}).has_value());
  CHECK(order.accept({{10, 2}, 1}).has_value());
  CHECK_FALSE(order.accept({{10, 2}, 1}).has_value());
  CHECK(order.accept({{11, 1}, 2}).has_value());
  CHECK_FALSE(order.accept({{12, 1}, 1}).has_value());
}

}  // namespace
}  // namespace holdfast::oplog
