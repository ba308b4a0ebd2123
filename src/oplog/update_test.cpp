#include "oplog/update.hpp"

#include <doctest/doctest.h>

#include "base/file.hpp"
#include "bson/ext_json.hpp"

namespace holdfast::oplog {
namespace {

using bson::Document;

Document as_document(const Bytes& bytes) {
  return Document::trusted(bytes);
}

Bytes json(std::string_view text) {
  auto bytes = bson::parse_ext_json(text);
  REQUIRE(bytes.has_value());
  return std::move(*bytes);
}

// The post-image, or the error.
Result<Bytes> updated(Document pre, Document o, Strictness strictness) {
  UpdateCheck check;
  const auto kind = TRY(check.check(o));
  Updater updater;
  const auto post = TRY(updater.apply(pre, kind, o, strictness));
  const auto validated = TRY(Document::validate(post.bytes()));
  return to_bytes(validated.bytes());
}

ErrorCode code_of_vector_error(std::string_view error) {
  if (error == "malformed") return ErrorCode::malformed;
  if (error == "unsupported") return ErrorCode::unsupported;
  if (error == "mismatch") return ErrorCode::anomaly;
  return ErrorCode::limit_exceeded;
}

void check_vector(Document vector) {
  const auto id = std::string(vector.find("id")->as_text());
  INFO(id);
  const auto pre = vector.find("pre")->as_document();
  const auto o = vector.find("o")->as_document();
  const auto strict = updated(pre, o, Strictness::strict);
  const auto relaxed = updated(pre, o, Strictness::relaxed);
  if (const auto error = vector.find("error")) {
    REQUIRE_FALSE(strict.has_value());
    CHECK(strict.error().code == code_of_vector_error(error->as_text()));
    CHECK(relaxed.has_value() == (error->as_text() == "mismatch"));
    return;
  }
  const auto post = vector.find("post")->as_document();
  REQUIRE(relaxed.has_value());
  CHECK(bson::to_ext_json(as_document(*relaxed)) == bson::to_ext_json(post));
  CHECK(*relaxed == to_bytes(post.bytes()));
  const auto anomaly = vector.find("anomaly");
  const bool is_anomaly = anomaly && anomaly->as_bool();
  REQUIRE(strict.has_value() != is_anomaly);
  if (is_anomaly) {
    CHECK(strict.error().code == ErrorCode::anomaly);
  } else {
    CHECK(*strict == *relaxed);
  }
}

TEST_CASE("All update vectors give their post-image or their error") {
  const auto text = read_file(HOLDFAST_TEST_DATA "/vectors/diff_vectors.jsonl", 1 << 20);
  REQUIRE(text.has_value());
  std::string_view rest = as_text(*text);
  std::size_t count = 0;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto vector = json(line);
    check_vector(as_document(vector));
    ++count;
  }
  CHECK(count == 88);
}

TEST_CASE("A mismatch names the path to the field") {
  const auto pre = json(R"({"_id":1,"a":{"b":[{"c":5}]}})");
  const auto o = json(R"({"$v":2,"diff":{"sa":{"sb":{"a":true,"s0":{"sc":{"u":{"x":1}}}}}}})");
  const auto post = updated(as_document(pre), as_document(o), Strictness::strict);
  REQUIRE_FALSE(post.has_value());
  CHECK(post.error().message == "field 'a.b.0.c' is not a document");
}

TEST_CASE("Many changes at once are found by search") {
  std::string pre = R"({"_id":1)";
  std::string diff = R"({"$v":2,"diff":{"u":{)";
  std::string post = R"({"_id":1)";
  for (int at = 0; at < 50; ++at) {
    const auto name = std::to_string(at * 7 % 50);
    pre += ",\"f" + name + "\":" + name;
    diff +=
        (at > 0 ? ",\"f" : "\"f") + std::to_string(at) + "\":{\"x\":" + std::to_string(at) + "}";
    post += ",\"f" + name + "\":{\"x\":" + name + "}";
  }
  const auto result =
      updated(as_document(json(pre + "}")), as_document(json(diff + "}}}")), Strictness::strict);
  REQUIRE(result.has_value());
  CHECK(bson::to_ext_json(as_document(*result), bson::JsonForm::relaxed) == post + "}");
}

TEST_CASE("A field named twice among many changes is refused") {
  std::string diff = R"({"$v":2,"diff":{"u":{)";
  for (int at = 0; at < 20; ++at) diff += "\"f" + std::to_string(at) + "\":1,";
  diff += R"("last":1},"i":{"f7":1}}})";
  const auto pre = json(R"({"_id":1})");
  const auto result = updated(as_document(pre), as_document(json(diff)), Strictness::strict);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::malformed);
}

TEST_CASE("Members beside a delta are refused") {
  const auto pre = json(R"({"_id":1})");
  const auto o = json(R"({"$v":2,"diff":{"u":{"a":1}},"extra":1})");
  const auto result = updated(as_document(pre), as_document(o), Strictness::relaxed);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::unsupported);
}

TEST_CASE("Padding far beyond the end is refused in deltas too") {
  const auto pre = json(R"({"_id":1,"r":[]})");
  for (const auto* diff : {R"({"$v":2,"diff":{"sr":{"a":true,"u1500002":1}}})",
                           R"({"$v":2,"diff":{"sr":{"a":true,"l":1500002}}})"}) {
    const auto result = updated(as_document(pre), as_document(json(diff)), Strictness::relaxed);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::limit_exceeded);
  }
}

TEST_CASE("A path of thousands of components is refused before it can exhaust the stack") {
  std::string path = "a";
  for (int at = 0; at < 5000; ++at) path += ".a";
  const auto pre = json(R"({"_id":1})");
  const auto o = json(R"({"$set":{")" + path + R"(":1}})");
  const auto result = updated(as_document(pre), as_document(o), Strictness::relaxed);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::limit_exceeded);
}

TEST_CASE("Setting elements beyond the end and then below it replaces the padding") {
  const auto pre = json(R"({"_id":1,"a":[0]})");
  const auto o = json(R"({"$v":1,"$set":{"a.9":9,"a.10":10,"a.3.x":1,"a.02":2}})");
  const auto result = updated(as_document(pre), as_document(o), Strictness::relaxed);
  REQUIRE(result.has_value());
  CHECK(bson::to_ext_json(as_document(*result), bson::JsonForm::relaxed) ==
        R"({"_id":1,"a":[0,null,2,null,null,null,null,null,null,9,10]})");
}

TEST_CASE("Array names count up in decimal") {
  ArrayNames names;
  for (int at = 0; at < 1200; ++at) {
    REQUIRE(names.text() == std::to_string(at));
    names.advance();
  }
}

TEST_CASE("Identity allows another numeric type, nothing else") {
  const auto one = json(R"({"v":1})");
  const auto one_double = json(R"({"v":{"$numberDouble":"1.0"}})");
  const auto text = json(R"({"v":"1"})");
  const auto symbol = json(R"({"v":{"$symbol":"1"}})");
  const auto value = [](const Bytes& bytes) { return *as_document(bytes).find("v"); };
  CHECK(is_same_identity(value(one), value(one_double)));
  CHECK_FALSE(is_same_identity(value(one), value(text)));
  CHECK_FALSE(is_same_identity(value(text), value(symbol)));
}

}  // namespace
}  // namespace holdfast::oplog
