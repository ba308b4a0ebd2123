#include "recover/primary_link.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

std::vector<WriteFailure> failures(std::string_view reply) {
  const Bytes bytes = bson::parse_ext_json(reply).value();
  return failures_of(bson::Document::trusted(bytes));
}

}  // namespace

TEST_CASE("An answer without write errors has no failures") {
  CHECK(failures(R"({"n":3,"ok":1})").empty());
  CHECK(failures(R"({"n":3,"ok":1,"writeErrors":"none"})").empty());
  CHECK(failures(R"({"n":3,"ok":1,"writeErrors":[5]})").empty());
}

TEST_CASE("A taken _id is told from a taken key of another index") {
  const auto by_pattern = failures(
      R"({"n":0,"ok":1,"writeErrors":[
          {"index":0,"code":11000,"keyPattern":{"_id":1},"errmsg":"E11000"},
          {"index":1,"code":11000,"keyPattern":{"mail":1},"errmsg":"E11000 _id_ is a word here"},
          {"index":2,"code":11000,"keyPattern":{"_id":1,"mail":1},"errmsg":"E11000"},
          {"index":3,"code":121,"errmsg":"validation"}]})");
  REQUIRE(by_pattern.size() == 4);
  CHECK(by_pattern[0].is_duplicate_id);
  CHECK(by_pattern[1].is_duplicate_key());
  CHECK_FALSE(by_pattern[1].is_duplicate_id);
  CHECK_FALSE(by_pattern[2].is_duplicate_id);
  CHECK_FALSE(by_pattern[3].is_duplicate_key());
  CHECK(by_pattern[3].index == 3);
  CHECK(by_pattern[3].message == "validation");

  const auto by_text = failures(
      R"({"n":0,"ok":1,"writeErrors":[
          {"index":0,"code":11000,"errmsg":"E11000 … index: _id_ dup key: { _id: 1 }"},
          {"index":1,"code":11000,"errmsg":"E11000 … index: mail_1 dup key: { mail: 1 }"}]})");
  REQUIRE(by_text.size() == 2);
  CHECK(by_text[0].is_duplicate_id);
  CHECK_FALSE(by_text[1].is_duplicate_id);
}
