#include "dataset/namespace_uuid.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

namespace holdfast::dataset {
namespace {

constexpr auto shared = R"({"$uuid":"db736761-51df-411a-b9c2-c5fc9d6748ed"})";

Bytes entry(std::string_view fields) {
  return bson::parse_ext_json("{" + std::string(fields) + ",\"ui\":" + shared + "}").value();
}

oplog::Uuid ui_of(const Bytes& entry) {
  return oplog::Uuid::from_value(*bson::Document::trusted(entry).find("ui")).value();
}

}  // namespace

TEST_CASE("each namespace has a UUID of its own, always the same") {
  CHECK(uuid_of_namespace("a.b") == uuid_of_namespace("a.b"));
  CHECK(uuid_of_namespace("a.b") != uuid_of_namespace("a.c"));
  CHECK(uuid_of_namespace("a.b").hex()[12] == '5');
}

TEST_CASE("entries get the UUID of the collection that they are about, and nothing else changes") {
  Bytes insert = entry(R"("op":"i","ns":"shop.orders","o":{"_id":1})");
  const Bytes before = insert;
  set_namespace_uuid(insert);
  CHECK(ui_of(insert) == uuid_of_namespace("shop.orders"));
  REQUIRE(insert.size() == before.size());
  std::size_t differing = 0;
  for (std::size_t at = 0; at < insert.size(); ++at) differing += insert[at] != before[at] ? 1 : 0;
  CHECK(differing <= 16);
  Bytes drop = entry(R"("op":"c","ns":"shop.$cmd","o":{"drop":"orders"})");
  set_namespace_uuid(drop);
  CHECK(ui_of(drop) == uuid_of_namespace("shop.orders"));
}

TEST_CASE("an entry without a UUID, or about no single collection, stays as it is") {
  const std::vector<Bytes> entries{bson::parse_ext_json(R"({"op":"i","ns":"a.b","o":{}})").value(),
                                   bson::parse_ext_json(R"({"op":"i","ns":"a.b","ui":5})").value(),
                                   entry(R"("op":"c","ns":"a.$cmd","o":{"dropDatabase":1})"),
                                   entry(R"("v":2)")};
  for (const Bytes& before : entries) {
    Bytes same = before;
    set_namespace_uuid(same);
    CHECK(same == before);
  }
}

}  // namespace holdfast::dataset
