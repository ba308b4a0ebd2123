#include "repo/json_cursor.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>

using namespace holdfast;
using namespace holdfast::repo;

namespace {

// The string that a JSON text is, or the reason why it is none.
std::string string_of(std::string_view json) {
  JsonCursor in(json);
  std::string text;
  if (in.string(text) && in.at_end()) return text;
  return "failed";
}

bool is_value(std::string_view json) {
  JsonCursor in(json);
  return in.skip() && in.at_end();
}

std::string written(std::string_view text) {
  JsonText out;
  out.string(text);
  return std::string(as_text(out.take()));
}

struct Pair {
  std::uint64_t first = 0;
  std::string second;
};
constexpr JsonField<Pair> pair_fields[] = {
    {"first", [](JsonCursor& in, Pair& into) { return in.number(into.first); }},
    {"second", [](JsonCursor& in, Pair& into) { return in.string(into.second); }},
};

}  // namespace

TEST_CASE("strings are read with all their escapes") {
  CHECK(string_of(R"("plain")") == "plain");
  CHECK(string_of(R"(  "spaced"  )") == "spaced");
  CHECK(string_of(R"("")").empty());
  CHECK(string_of(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(string_of(R"("\u0041\u00e9\u20AC")") == "A\xC3\xA9\xE2\x82\xAC");
  CHECK(string_of(R"("\ud83d\ude00")") == "\xF0\x9F\x98\x80");
  CHECK(string_of("\"long enough for more than one word of eight, \xC3\xA9 and on\"") ==
        "long enough for more than one word of eight, \xC3\xA9 and on");
  CHECK(string_of("\"\x7F\"") == "\x7F");
}

TEST_CASE("what is not Unicode becomes the replacement character, as in Go") {
  const std::string replaced = "\xEF\xBF\xBD";
  CHECK(string_of("\"a\xFF\"") == "a" + replaced);
  CHECK(string_of("\"\xED\xA0\x80\"") == replaced + replaced + replaced);
  CHECK(string_of(R"("\ud800")") == replaced);
  CHECK(string_of(R"("\ud800x")") == replaced + "x");
  CHECK(string_of(R"("\ud800A")") == replaced + "A");
  CHECK(string_of(R"("\ud800\ud83d\ude00")") == replaced + "\xF0\x9F\x98\x80");
  CHECK(string_of(R"("\ude00")") == replaced);
}

TEST_CASE("malformed strings are refused") {
  for (const char* json :
       {"", "x", "\"", "\"a", "\"a\\", "\"a\\\"", R"("\q")", R"("\u12")", R"("\u12g4")",
        R"("\ud800\u12")", "\"a\nb\"", "\"\x1F\"", "\"abcdefg\x01\""}) {
    CAPTURE(json);
    CHECK(string_of(json) == "failed");
  }
}

TEST_CASE("any value is skipped, and only values") {
  for (const char* json :
       {"0", "-0", "12", "-1.5e+10", "1E5", "0.1", "true", "false", "null", "\"x\"", "[]", "{}",
        "[1, 2 ,[3]]", R"({"a":{"b":[null,{}]},"c":"d"})", " [ ] ", R"({"a":1,"a":2})"})
    CHECK_MESSAGE(is_value(json), json);
  for (const char* json : {"",         " ",     "01",  "-",          "+1",        ".5",
                           "1.",       "1e",    "1e+", "tru",        "nul",       "[1,]",
                           "[,1]",     "[1 2]", "{,}", R"({"a"})",   R"({"a":})", R"({"a":1,})",
                           R"({a:1})", "[",     "{",   R"({"a":1)",  "]",         "1 2",
                           "NaN",      "[}",    "{]",  R"({"a" 1})", "'x'"})
    CHECK_MESSAGE(!is_value(json), json);
}

TEST_CASE("nesting is followed to a limit and no further") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(is_value(nested(json_depth_max)));
  CHECK_FALSE(is_value(nested(json_depth_max + 1)));
  CHECK_FALSE(is_value(std::string(1000000, '[')));
}

TEST_CASE("numbers keep their 64 bits and their kind") {
  const auto number_of = [](std::string_view json) -> std::optional<std::uint64_t> {
    JsonCursor in(json);
    std::uint64_t value = 0;
    if (in.number(value) && in.at_end()) return value;
    return std::nullopt;
  };
  CHECK(number_of("18446744073709551615") == 18446744073709551615ULL);
  CHECK(number_of("9007199254740993") == 9007199254740993ULL);
  CHECK(number_of("0") == 0);
  for (const char* json :
       {"18446744073709551616", "99999999999999999999", "-1", "1.0", "1e3", "01", "", "x", "\"1\""})
    CHECK_FALSE(number_of(json).has_value());

  const auto signed_of = [](std::string_view json) -> std::optional<std::int64_t> {
    JsonCursor in(json);
    std::int64_t value = 0;
    if (in.signed_number(value) && in.at_end()) return value;
    return std::nullopt;
  };
  CHECK(signed_of("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(signed_of("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK_FALSE(signed_of("9223372036854775808").has_value());
  CHECK_FALSE(signed_of("-9223372036854775809").has_value());

  std::uint32_t small = 0;
  CHECK(JsonCursor("4294967295").number(small));
  CHECK_FALSE(JsonCursor("4294967296").number(small));
}

TEST_CASE("the first failure stays, with its place") {
  JsonCursor in(R"({"a": 1, "b": x})");
  std::string_view key;
  REQUIRE(in.enter_object());
  while (in.next_key(key))
    if (!in.skip()) break;
  CHECK(in.failed());
  CHECK_FALSE(in.enter_array());
  const auto status = in.status("tree");
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().code == ErrorCode::malformed);
  CHECK(status.error().message == "tree: expected a value at offset 14");
}

TEST_CASE(
    "objects are read in any order of members; null is absent, the last of equal names wins") {
  const auto read = [](std::string_view json) {
    JsonCursor in(json);
    Pair pair;
    REQUIRE(read_object(in, pair, pair_fields));
    REQUIRE(in.at_end());
    return std::pair(pair.first, pair.second);
  };
  using Values = std::pair<std::uint64_t, std::string>;
  CHECK(read(R"({"first":1,"second":"x"})") == Values(1, "x"));
  CHECK(read(R"({"second":"x","unknown":[{}],"first":1})") == Values(1, "x"));
  CHECK(read(R"({"first":1,"first":2,"second":null})") == Values(2, ""));
  CHECK(read(R"({"fir\u0073t":7})") == Values(7, ""));
  CHECK(read("{}") == Values(0, ""));
}

TEST_CASE("unknown members are kept compact, the last of equal names") {
  JsonCursor in(R"({"x" : { "a" : [1 , "b \" c"] }, "first":1, "y\n":1.50, "x2":1, "x2": 2 })");
  Pair pair;
  std::vector<RawMember> other;
  REQUIRE(read_object(in, pair, pair_fields, &other));
  CHECK(other ==
        std::vector<RawMember>{{"x", R"({"a":[1,"b \" c"]})"}, {"y\n", "1.50"}, {"x2", "2"}});
}

TEST_CASE("an object of endless unknown members is refused where they would have to be kept") {
  std::string json = "{";
  for (int member = 0; member < 300; ++member)
    json += (member == 0 ? "\"m" : ",\"m") + std::to_string(member) + "\":1";
  json += "}";
  Pair pair;
  std::vector<RawMember> other;
  JsonCursor keeping(json);
  CHECK_FALSE(read_object(keeping, pair, pair_fields, &other));
  JsonCursor skipping(json);
  CHECK(read_object(skipping, pair, pair_fields));
}

TEST_CASE("strings are written as Go's encoder writes them") {
  CHECK(written("plain / \x7F") == "\"plain / \x7F\"");
  CHECK(written("\"\\\b\f\n\r\t") == R"("\"\\\b\f\n\r\t")");
  CHECK(written(std::string_view("\0\x01\x1F", 3)) == R"("\u0000\u0001\u001f")");
  CHECK(written("<a&b>") == R"("\u003ca\u0026b\u003e")");
  CHECK(written("\xE2\x80\xA8\xE2\x80\xA9") == R"("\u2028\u2029")");
  CHECK(written("\xE2\x80\xAA") == "\"\xE2\x80\xAA\"");
  CHECK(written("a\xFF\xC3") == R"("a\ufffd\ufffd")");
  CHECK(written("eight chars and then an \xC3\xA9") == "\"eight chars and then an \xC3\xA9\"");
}

TEST_CASE("commas come between members and items, and nowhere else") {
  JsonText out;
  out.begin_object();
  out.key("a");
  out.begin_array();
  out.number(1);
  out.signed_number(-2);
  out.null();
  out.begin_object();
  out.end_object();
  out.begin_array();
  out.end_array();
  out.end_array();
  out.key("b");
  out.boolean(true);
  out.member_name("c\n");
  out.raw("[1]");
  out.key("d");
  out.base64(as_bytes("ab"));
  out.key("e");
  out.hex(as_bytes("\xAB\x01"));
  out.key("f");
  out.time({1500000000, 0, 0});
  out.end_object();
  CHECK(as_text(out.take()) == R"({"a":[1,-2,null,{},[]],"b":true,"c\n":[1],"d":"YWI=","e":"ab01",)"
                               R"("f":"2017-07-14T02:40:00Z"})");
  CHECK(out.size() == 0);
  out.number(18446744073709551615ULL);
  CHECK(as_text(out.view()) == "18446744073709551615");
}
