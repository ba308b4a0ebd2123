#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/digest.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"

using namespace holdfast;
using namespace holdfast::bson;

namespace {

Bytes from_json(std::string_view text) {
  auto parsed = parse_ext_json(text);
  INFO(text);
  REQUIRE(parsed.has_value());
  return std::move(*parsed);
}

std::string message_of(const Result<Bytes>& result) {
  return result.has_value() ? "" : result.error().message;
}

Bytes one_of_everything() {
  Builder builder;
  builder.append_double("double", -1.5);
  builder.append_text("text", "h\xC3\xA9llo");
  builder.begin_document("inner");
  builder.append_int32("a", 1);
  builder.end();
  builder.begin_array("list");
  builder.append_int64("0", 1LL << 40);
  builder.append_null("1");
  builder.end();
  builder.append_binary("bin", 4, as_bytes("0123456789abcdef"));
  builder.append_bool("yes", true);
  builder.append_timestamp("ts", {100, 7});
  return builder.take();
}

struct Vector {
  std::int64_t group;
  Bytes document;
  Value id;
  std::string key_hex;
};

std::vector<Vector> read_vectors() {
  std::ifstream file(HOLDFAST_TEST_DATA "/vectors/id_order_vectors.jsonl");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    Bytes bytes = from_json(line);
    const Document document = Document::validate(bytes).value();
    const auto group = document.find("group")->as_integer().value();
    const Value id = document.find("_id").value();
    const std::string hex(document.find("key")->as_text());
    vectors.push_back({group, std::move(bytes), id, hex});
  }
  return vectors;
}

}  // namespace

TEST_CASE("a built document validates and gives its elements back in order") {
  const Bytes bytes = one_of_everything();
  const Document document = Document::validate(bytes).value();
  std::string names;
  for (const Element& element : document) names += std::string(element.name) + " ";
  CHECK(names == "double text inner list bin yes ts ");
  CHECK(document.find("double")->as_double() == -1.5);
  CHECK(document.find("text")->as_text() == "h\xC3\xA9llo");
  CHECK(document.find("ts")->as_timestamp() == Timestamp{100, 7});
  CHECK(document.find("list")->as_document().find("0")->as_int64() == 1LL << 40);
  CHECK_FALSE(document.find("absent").has_value());
}

TEST_CASE("raw elements copied one by one make the same document") {
  const Bytes bytes = one_of_everything();
  Builder copy;
  for (const Element& element : Document::trusted(bytes)) copy.append_raw(element.raw);
  CHECK(copy.take() == bytes);
}

TEST_CASE("every shorter prefix and every cut-down length of a document is refused") {
  const Bytes bytes = one_of_everything();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    INFO(length);
    CHECK_FALSE(Document::validate(ByteView(bytes).first(length)).has_value());
    Bytes shortened(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
    if (length < 4) continue;
    store_le(shortened.data(), static_cast<std::int32_t>(length));
    CHECK_FALSE(Document::validate(shortened).has_value());
  }
}

TEST_CASE("malformed documents are refused with the offset of what is wrong") {
  struct Case {
    std::string_view hex;
    std::string_view message;
  };
  const Case cases[] = {
      {"04000000", "a length is too small at offset 0"},
      {"0500000001", "a document does not end in a zero byte at offset 4"},
      {"ffffffff00", "a length is too small at offset 0"},
      {"0600000000", "a length reaches beyond its container at offset 0"},
      {"060000000000", "a zero byte where an element should start at offset 4"},
      {"050000000000", "1 bytes follow the document at offset 5"},
      {"080000001061"
       "6200",
       "a name has no terminator at offset 5"},
      {"08000000106100"
       "00",
       "a value is cut off at offset 7"},
      {"0b00000010610001000000", "a value is cut off at offset 7"},
      {"0900000008610002"
       "00",
       "a boolean is neither 0 nor 1 at offset 7"},
      {"0800000020610000", "unknown type 0x20 before the value at offset 7"},
      {"0c0000000261000000000000", "a string is cut off at offset 7"},
      {"0d000000026100000000000000", "a string length is too small at offset 7"},
      {"0d000000026100090000000000", "a string reaches beyond its container at offset 7"},
      {"0d000000026100010000000100", "a string does not end in a zero byte at offset 11"},
      {"0d0000000561000100000000"
       "00",
       "binary data reaches beyond its container at offset 7"},
      {"0c0000000561000000000000", "binary data is cut off at offset 7"},
      {"0d00000003610004000000"
       "0000",
       "a length is too small at offset 7"},
      {"0b0000000b610061000000", ""},
      {"090000000b61006100", "a name has no terminator at offset 7"},
  };
  for (const Case& row : cases) {
    INFO(row.hex);
    const Bytes bytes = from_hex(row.hex).value();
    const auto result = Document::validate(bytes);
    if (row.message.empty()) {
      CHECK(result.has_value());
      continue;
    }
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::malformed);
    CHECK(result.error().message == "bson: " + std::string(row.message));
  }
}

TEST_CASE("nesting is accepted up to the limit and refused beyond") {
  const auto nested = [](int levels) {
    Builder builder;
    for (int level = 0; level < levels; ++level) builder.begin_document("d");
    for (int level = 0; level < levels; ++level) builder.end();
    return builder.take();
  };
  CHECK(Document::validate(nested(depth_max)).has_value());
  CHECK_FALSE(Document::validate(nested(depth_max + 1)).has_value());
}

TEST_CASE("the order vectors of the oplog format give their keys, groups and order") {
  const std::vector<Vector> vectors = read_vectors();
  REQUIRE(vectors.size() == 94);
  for (std::size_t at = 0; at < vectors.size(); ++at) {
    INFO(to_ext_json(Document::trusted(vectors[at].document)));
    const Bytes key = key_of(vectors[at].id);
    CHECK(to_hex(key) == vectors[at].key_hex);
    for (const Vector& other : vectors) {
      const auto wanted = vectors[at].group <=> other.group;
      CHECK((compare(vectors[at].id, other.id) == wanted));
      CHECK((compare_bytes(key, key_of(other.id)) == wanted));
    }
  }
}

TEST_CASE("numbers of all types meet in one order without going through double") {
  struct Case {
    std::string_view left;
    std::string_view right;
    std::weak_ordering wanted;
  };
  const Case cases[] = {
      {R"({"$numberLong":"9007199254740993"})", "9007199254740992.0", std::weak_ordering::greater},
      {"0.1", R"({"$numberDecimal":"0.1"})", std::weak_ordering::greater},
      {"0.5", R"({"$numberDecimal":"0.50"})", std::weak_ordering::equivalent},
      {"-0.0", R"({"$numberDecimal":"0E+10"})", std::weak_ordering::equivalent},
      {"1", "1.0", std::weak_ordering::equivalent},
      {R"({"$numberDouble":"NaN"})", R"({"$numberDouble":"-Infinity"})", std::weak_ordering::less},
      {R"({"$numberDouble":"5E-324"})", R"({"$numberDecimal":"1E-6176"})",
       std::weak_ordering::greater},
      {"1e300", R"({"$numberDecimal":"1E+300"})", std::weak_ordering::greater},
  };
  for (const Case& row : cases) {
    INFO(row.left, " against ", row.right);
    const Bytes left = parse_ext_json_value(row.left).value();
    const Bytes right = parse_ext_json_value(row.right).value();
    const Value left_value = Document::trusted(left).find("").value();
    const Value right_value = Document::trusted(right).find("").value();
    CHECK((compare(left_value, right_value) == row.wanted));
    CHECK((compare_bytes(key_of(left_value), key_of(right_value)) == row.wanted));
  }
}

TEST_CASE("integers are recognised in any number type that can hold them exactly") {
  const Bytes bytes = from_json(R"({"a":1,"b":{"$numberLong":"-9223372036854775808"},"c":2.0,)"
                                R"("d":2.5,"e":9223372036854775808.0,"f":"1"})");
  const Document document = Document::trusted(bytes);
  CHECK(document.find("a")->as_integer() == 1);
  CHECK(document.find("b")->as_integer() == INT64_MIN);
  CHECK(document.find("c")->as_integer() == 2);
  CHECK_FALSE(document.find("d")->as_integer().has_value());
  CHECK_FALSE(document.find("e")->as_integer().has_value());
  CHECK_FALSE(document.find("f")->as_integer().has_value());
}

TEST_CASE("canonical extended JSON comes out as it went in, for every type") {
  const std::string_view texts[] = {
      R"({"a":{"$numberDouble":"1.0"},"b":{"$numberDouble":"-Infinity"}})",
      R"({"a":{"$numberDouble":"1E+06"},"b":{"$numberDouble":"1.5E-07"}})",
      R"({"a":{"$numberDouble":"100000.0"},"b":{"$numberDouble":"0.0001"}})",
      R"({"s":"q\"\\\b\f\n\r\t\u0001\u2028é","z":"a\u0000b"})",
      R"({"d":{"e":[{"$numberInt":"1"},[],{}]}})",
      R"({"b":{"$binary":{"base64":"/wA=","subType":"80"}}})",
      R"({"u":{"$undefined":true},"o":{"$oid":"0123456789abcdef01234567"}})",
      R"({"t":true,"f":false,"n":null})",
      R"({"d":{"$date":{"$numberLong":"-1"}}})",
      R"({"r":{"$regularExpression":{"pattern":"^a/","options":"im"}}})",
      R"({"p":{"$dbPointer":{"$ref":"db.c","$id":{"$oid":"0123456789abcdef01234567"}}}})",
      R"_({"c":{"$code":"f()"},"w":{"$code":"g()","$scope":{"x":{"$numberInt":"1"}}}})_",
      R"({"y":{"$symbol":"s"},"t":{"$timestamp":{"t":4294967295,"i":1}}})",
      R"({"l":{"$numberLong":"-9223372036854775808"},"m":{"$numberDecimal":"1.50E+10"}})",
      R"({"k":{"$minKey":1},"K":{"$maxKey":1},"n":{"$numberDecimal":"NaN"}})",
      R"({"$gt":{"$numberInt":"1"},"$set":{}})",
      "{}",
  };
  for (const std::string_view text : texts) {
    const Bytes bytes = from_json(text);
    CHECK(to_ext_json(Document::validate(bytes).value()) == text);
  }
}

TEST_CASE("relaxed extended JSON is read with the types its text implies") {
  const Bytes bytes = from_json(
      R"( {"i" : 1, "l": 2147483648, "d": 1.0, "big": 9223372036854775808, "exp": 1e2,
           "at": {"$date": "2020-01-02T03:04:05.678Z"},
           "u": {"$uuid": "00112233-4455-6677-8899-aabbccddeeff"},
           "b": {"$binary": {"subType": "0", "base64": ""}}, "$ref": "x"} )");
  const Document document = Document::validate(bytes).value();
  CHECK(document.find("i")->type == Type::int32);
  CHECK(document.find("l")->type == Type::int64);
  CHECK(document.find("d")->type == Type::double_);
  CHECK(document.find("big")->as_double() == 9223372036854775808.0);
  CHECK(document.find("exp")->as_double() == 100.0);
  CHECK(document.find("at")->as_int64() == 1577934245678);
  CHECK(document.find("u")->bytes[4] == 4);
  CHECK(to_ext_json(document, JsonForm::relaxed).find("2020-01-02T03:04:05.678Z") !=
        std::string::npos);
}

TEST_CASE("text that is not extended JSON is refused with its offset") {
  struct Case {
    std::string_view text;
    std::string_view message;
  };
  const Case cases[] = {
      {"", "'{' is missing at offset 0"},
      {"[]", "'{' is missing at offset 0"},
      {"{\"a\":1} x", "text follows the value at offset 8"},
      {"{\"a\" 1}", "':' is missing at offset 5"},
      {"{\"a\":1,}", "a string is missing at offset 7"},
      {"{\"a\":[1,]}", "not a value at offset 8"},
      {"{\"a\":01}", "not a value at offset 5"},
      {"{\"a\":-}", "not a value at offset 5"},
      {"{\"a\":1.}", "a number without digits after the point at offset 7"},
      {"{\"a\":1e}", "a number without digits in its exponent at offset 7"},
      {"{\"a\":1e999}", "a number out of range before at offset 10"},
      {"{\"a\":tru}", "'true' is missing at offset 5"},
      {"{\"a\":\"x}", "a string has no end at offset 5"},
      {"{\"a\":\"\x01\"}", "a control character in a string at offset 6"},
      {"{\"a\":\"\xFF\"}", "bytes that are not UTF-8 at offset 6"},
      {"{\"a\":\"\\x\"}", "an unknown escape at offset 6"},
      {"{\"a\":\"\\u12g4\"}", "a \\u escape without four hex digits at offset 6"},
      {"{\"a\":\"\\ud800\"}", "a \\u escape is incomplete at offset 12"},
      {"{\"a\":\"\\udc00\"}", "half of a surrogate pair at offset 6"},
      {"{\"\\u0000\":1}", "a zero byte in a field name at offset 9"},
      {R"({"a":{"$oid":"12"}})", "not an ObjectId before at offset 17"},
      {R"({"a":{"$numberInt":"2147483648"}})", "not an integer of that size before at offset 31"},
      {R"({"a":{"$numberInt":1}})", "a string is missing at offset 19"},
      {R"({"a":{"$numberInt":"1","x":1}})", "'}' is missing at offset 22"},
      {R"({"a":{"$numberDouble":"inf"}})", "not a double before at offset 27"},
      {R"({"a":{"$numberDecimal":"x"}})", "not a decimal before at offset 26"},
      {R"({"a":{"$date":"yesterday"}})", "not a time before at offset 25"},
      {R"({"a":{"$date":{"$numberInt":"1"}}})", "not a date before at offset 28"},
      {R"({"a":{"$timestamp":{"t":-1,"i":1}}})",
       "not an unsigned 32-bit number before at offset 26"},
      {R"({"a":{"$binary":{"base64":"*","subType":"0"}}})", "not base64 before at offset 29"},
      {R"({"a":{"$binary":{"base64":""}}})", "',' is missing at offset 28"},
      {R"({"a":{"$minKey":2}})", "'1' is missing at offset 16"},
      {R"({"a":{"$code":"x","$scope":1}})", "a scope is missing at offset 27"},
      {R"({"a":{"$uuid":"00112233445566778899aabbccddeeff"}})", "not a UUID before at offset 48"},
  };
  for (const Case& row : cases) {
    INFO(row.text);
    CHECK(message_of(parse_ext_json(row.text)) == "json: " + std::string(row.message));
  }
}

TEST_CASE("deeply nested JSON is refused instead of exhausting the stack") {
  std::string deep = "{\"a\":";
  for (int level = 0; level < 100'000; ++level) deep += '[';
  CHECK(message_of(parse_ext_json(deep)).find("nesting deeper than 200 levels") !=
        std::string::npos);
}

TEST_CASE("a content digest does not depend on order and can be taken back") {
  ContentDigest forward;
  ContentDigest backward;
  const std::string_view documents[] = {"one", "two", "three"};
  for (const auto document : documents) forward.add(as_bytes(document));
  for (int at = 2; at >= 0; --at) backward.add(as_bytes(documents[at]));
  CHECK(forward.digest() == backward.digest());
  CHECK(forward.count() == 3);
  CHECK(forward.bytes() == 11);
  forward.subtract(as_bytes("two"));
  backward.clear();
  backward.add(as_bytes("three"));
  backward.add(as_bytes("one"));
  CHECK(forward.digest() == backward.digest());
  forward.subtract(as_bytes("one"));
  forward.subtract(as_bytes("three"));
  CHECK(forward.digest() == Digest256{});
}

TEST_CASE("digests wrap modulo two to the 256 and go through hex unchanged") {
  const auto all_ones = Digest256::parse(std::string(64, 'f')).value();
  const auto one = Digest256::parse(std::string(63, '0') + "1").value();
  Digest256 sum = all_ones;
  sum += one;
  CHECK(sum == Digest256{});
  sum -= one;
  CHECK(sum == all_ones);
  CHECK(sum.hex() == std::string(64, 'f'));
  CHECK_FALSE(Digest256::parse("12").has_value());
  Sha256 sha;
  CHECK(to_hex(sha.of({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha.of(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
