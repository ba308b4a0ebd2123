#include "recover/live_catalog.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

Bytes json(std::string_view text) {
  return bson::parse_ext_json(text).value();
}
using Sentences = std::vector<std::string>;

}  // namespace

TEST_CASE("Options that a server did not take are named") {
  const Bytes wanted = json(R"({"capped":true,"size":4096,"validator":{"n":1}})");
  CHECK(describe_options(wanted, json("{}")) == Sentences{"has not the option capped",
                                                          "has not the option size",
                                                          "has not the option validator"});
  CHECK(describe_options(wanted, wanted).empty());
  CHECK(describe_options(wanted, json(R"({"capped":true,"size":8192,"validator":{"n":1}})")) ==
        Sentences{"has another size: 8192"});
}

TEST_CASE("Options that mean nothing for the data are not missed") {
  CHECK(describe_options(json(R"({"uuid":1,"temp":true,"autoIndexId":true,"capped":false})"),
                         json("{}"))
            .empty());
  CHECK(describe_options({}, {}).empty());
  // Numbers of different types are the same number.
  CHECK(describe_options(json(R"({"size":{"$numberLong":"5"}})"), json(R"({"size":5})")).empty());
}

TEST_CASE("Indexes are compared by name and meaning") {
  const Bytes id = json(R"({"v":2,"key":{"_id":1},"name":"_id_"})");
  const Bytes a = json(R"({"v":2,"key":{"a":1},"name":"a_1","unique":true})");
  const Bytes a_plain = json(R"({"v":2,"key":{"a":1},"name":"a_1"})");
  const Bytes a_other = json(R"({"v":1,"key":{"a":1},"name":"a_1","ns":"x.y","unique":true,
                                 "sparse":false})");
  CHECK(describe_indexes({id, a}, {id, a}).empty());
  CHECK(describe_indexes({id, a}, {a_other}).empty());
  CHECK(describe_indexes({a}, {a_plain}) == Sentences{"has another index of the name a_1"});
  CHECK(describe_indexes({a}, {}) == Sentences{"has not the index a_1"});
  CHECK(describe_indexes({id}, {a}) == Sentences{"has the index a_1 too"});
}

TEST_CASE("Options that nobody asked for are named, defaults are not") {
  const Bytes validator = json(R"({"validator":{"n":1},"validationLevel":"strict",
                                   "validationAction":"error"})");
  CHECK(describe_added_options(json("{}"), validator) ==
        Sentences{R"(has the option validator too: {"n":1})"});
  CHECK(describe_added_options({}, validator).size() == 1);
  CHECK(describe_added_options(validator, validator).empty());
  CHECK(describe_options(validator, json(R"({"validator":{"n":1}})")).empty());
  CHECK(describe_added_options(json(R"({"validator":{"n":1}})"), validator).empty());
  // What is left of a validator that was taken away.
  CHECK(describe_added_options(json("{}"), json(R"({"validator":{},"validationLevel":"strict"})"))
            .empty());
  CHECK(describe_added_options(json("{}"), json(R"({"validationLevel":"off","capped":false})")) ==
        Sentences{R"(has the option validationLevel too: "off")"});
  CHECK(describe_added_options({}, {}).empty());
}
