#include "recover/unique_index.hpp"

#include <doctest/doctest.h>

#include <set>

#include "bson/ext_json.hpp"

namespace holdfast::recover {
namespace {

Bytes json(std::string_view text) {
  return bson::parse_ext_json(text).value();
}

std::optional<UniqueIndex> index(std::string_view text) {
  return UniqueIndex::of(json(text));
}

UniqueIndex by_mail(std::string_view more = "") {
  return *index(R"({"v":2,"key":{"mail":1},"name":"mail_1","unique":true)" + std::string(more) +
                "}");
}

// Whether two documents can not both be there.
bool do_collide(const UniqueIndex& rule, std::string_view left, std::string_view right) {
  const Bytes one = json(left);
  const Bytes other = json(right);
  std::set<Bytes> keys;
  for (const IndexKey& key : rule.keys_of(bson::Document::trusted(one))) keys.insert(key.bytes);
  for (const IndexKey& key : rule.keys_of(bson::Document::trusted(other)))
    if (keys.contains(key.bytes)) return true;
  return false;
}

Membership membership(std::string_view filter, std::string_view document) {
  const Bytes bytes = json(document);
  return by_mail(R"(,"partialFilterExpression":)" + std::string(filter))
      .membership(bson::Document::trusted(bytes));
}

std::string query(const UniqueIndex& rule, std::string_view document) {
  const Bytes bytes = json(document);
  const auto keys = rule.keys_of(bson::Document::trusted(bytes));
  std::vector<const IndexKey*> asked;
  for (const IndexKey& key : keys) asked.push_back(&key);
  const Bytes made = rule.query(asked);
  return bson::to_ext_json(bson::Document::trusted(made), bson::JsonForm::relaxed);
}

}  // namespace

TEST_CASE("Only unique indexes besides that of _id are rules") {
  CHECK(index(R"({"key":{"a":1},"name":"a_1","unique":true})").has_value());
  CHECK_FALSE(index(R"({"key":{"a":1},"name":"a_1"})").has_value());
  CHECK_FALSE(index(R"({"key":{"a":1},"name":"a_1","unique":false})").has_value());
  CHECK_FALSE(index(R"({"key":{"_id":1},"name":"_id_","unique":true})").has_value());
  CHECK_FALSE(index(R"({"key":{"_id":1},"name":"c","unique":true,"clustered":true})").has_value());
  CHECK_FALSE(index(R"({"key":{"a":"text"},"name":"a","unique":true})").has_value());
  CHECK_FALSE(index(R"({"name":"a","unique":true})").has_value());
  CHECK(by_mail().name() == "mail_1");
}

TEST_CASE("Documents collide when the server takes their keys as equal") {
  CHECK(do_collide(by_mail(), R"({"_id":1,"mail":"5"})", R"({"_id":2,"mail":"5"})"));
  CHECK_FALSE(do_collide(by_mail(), R"({"mail":"5"})", R"({"mail":5})"));
  CHECK(do_collide(by_mail(), R"({"mail":5})", R"({"mail":5.0})"));
  // What is not there is null.
  CHECK(do_collide(by_mail(), R"({"_id":1})", R"({"mail":null})"));
  CHECK_FALSE(do_collide(by_mail(R"(,"sparse":true)"), R"({"_id":1})", R"({"_id":2})"));
  CHECK(do_collide(by_mail(R"(,"sparse":true)"), R"({"mail":null})", R"({"mail":null})"));
  // Each element of an array is a key.
  CHECK(do_collide(by_mail(), R"({"mail":["a","b"]})", R"({"mail":"b"})"));
  CHECK_FALSE(do_collide(by_mail(), R"({"mail":["a","b"]})", R"({"mail":["c"]})"));
}

TEST_CASE("Keys of several fields collide as a whole, through documents and arrays") {
  const auto rule = *index(R"({"key":{"a.b":1,"c":-1},"name":"i","unique":true})");
  CHECK(do_collide(rule, R"({"a":{"b":1},"c":2})", R"({"c":2,"a":{"b":1}})"));
  CHECK_FALSE(do_collide(rule, R"({"a":{"b":1},"c":2})", R"({"a":{"b":1},"c":3})"));
  CHECK(do_collide(rule, R"({"a":[{"b":1},{"b":7}],"c":2})", R"({"a":{"b":7},"c":2})"));
  CHECK(do_collide(rule, R"({"a":{"b":1}})", R"({"a":{"b":1},"c":null})"));
}

TEST_CASE("A document has a bounded number of keys") {
  std::string many = "[0";
  for (std::size_t number = 1; number < 3 * document_keys_max; ++number)
    many += "," + std::to_string(number);
  const Bytes document = json(R"({"mail":)" + many + "]}");
  CHECK(by_mail().keys_of(bson::Document::trusted(document)).size() == document_keys_max);
}

TEST_CASE("A partial index does not have what its filter leaves out") {
  CHECK(membership(R"({"on":true})", R"({"on":true})") == Membership::in);
  CHECK(membership(R"({"on":true})", R"({"on":false})") == Membership::out);
  CHECK(membership(R"({"on":true})", "{}") == Membership::out);
  CHECK(membership(R"({"mail":{"$exists":true}})", R"({"mail":null})") == Membership::in);
  CHECK(membership(R"({"mail":{"$exists":true}})", "{}") == Membership::out);
  CHECK(membership(R"({"n":{"$gt":5,"$lte":7}})", R"({"n":7})") == Membership::in);
  CHECK(membership(R"({"n":{"$gt":5,"$lte":7}})", R"({"n":5})") == Membership::out);
  CHECK(membership(R"({"n":{"$gt":5}})", R"({"n":"text"})") == Membership::out);
  CHECK(membership(R"({"$and":[{"a":1},{"b":{"$eq":2}}]})", R"({"a":1,"b":2})") == Membership::in);
  CHECK(membership(R"({"$and":[{"a":1},{"b":2}]})", R"({"a":1,"b":3})") == Membership::out);
  CHECK(membership(R"({"d":{"e":1}})", R"({"d":{"e":1}})") == Membership::in);
}

TEST_CASE("What a filter means that is not evaluated here is not guessed") {
  CHECK(membership(R"({"n":{"$type":"int"}})", R"({"n":1})") == Membership::unknown);
  CHECK(membership(R"({"$or":[{"n":1}]})", R"({"n":1})") == Membership::unknown);
  CHECK(membership(R"({"n":1})", R"({"n":[1]})") == Membership::unknown);
  CHECK(membership(R"({"n":{"$type":"int"},"on":true})", R"({"n":1,"on":false})") ==
        Membership::out);
}

TEST_CASE("Keys are asked for at once") {
  CHECK(query(by_mail(), R"({"mail":["a","b"]})") == R"({"mail":{"$in":["a","b"]}})");
  CHECK(query(by_mail(R"(,"partialFilterExpression":{"on":true})"), R"({"mail":"a"})") ==
        R"({"$and":[{"mail":{"$in":["a"]}},{"on":true}]})");
  CHECK(query(*index(R"({"key":{"a":1,"b":1},"name":"i","unique":true})"), R"({"a":1,"b":"x"})") ==
        R"({"$or":[{"a":{"$eq":1},"b":{"$eq":"x"}}]})");
}

TEST_CASE("An index guards for another when it forbids the same") {
  CHECK(by_mail().is_like(*index(R"({"key":{"mail":1.0},"name":"other","unique":true})")));
  CHECK_FALSE(by_mail().is_like(by_mail(R"(,"sparse":true)")));
  CHECK_FALSE(by_mail().is_like(by_mail(R"(,"partialFilterExpression":{"on":true})")));
  CHECK_FALSE(by_mail().is_like(by_mail(R"(,"collation":{"locale":"de"})")));
  CHECK_FALSE(by_mail().is_like(*index(R"({"key":{"a":1},"name":"mail_1","unique":true})")));
  CHECK(by_mail(R"(,"sparse":false)").is_like(by_mail()));
}

}  // namespace holdfast::recover
