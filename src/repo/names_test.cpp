#include "repo/names.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "repo/json_text.hpp"

using namespace holdfast;
using namespace holdfast::repo;

TEST_CASE("recorded names are quoted, escaped and unquoted as restic does") {
  const auto bytes = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  const auto vectors = nlohmann::json::parse(as_text(bytes));
  REQUIRE(vectors["names"].size() == 27);
  for (const auto& recorded : vectors["names"]) {
    const Bytes raw = from_hex(recorded["raw"].get<std::string>()).value();
    const auto quoted = recorded["quoted"].get<std::string>();
    CAPTURE(quoted);
    CHECK(quote_name(as_text(raw)) == quoted);
    CHECK(unquote_name(quoted).value() == as_text(raw));
    JsonText text;
    text.name(as_text(raw));
    CHECK(as_text(text.take()) == recorded["json"].get<std::string>());
  }
}

TEST_CASE("every escape of Go is undone, in either case of hex digits") {
  CHECK(unquote_name(R"(\a\b\f\n\r\t\v\\\")").value() == "\a\b\f\n\r\t\v\\\"");
  CHECK(unquote_name(R"(\x41\101\u0042\U00000043)").value() == "AABC");
  CHECK(unquote_name(R"(\xFF\377)").value() == "\xFF\xFF");
  CHECK(unquote_name(R"(\u00E9\U0001F600)").value() == "\xC3\xA9\xF0\x9F\x98\x80");
  CHECK(unquote_name("raw \x01 control").value() == "raw \x01 control");  // as rustic writes it
  CHECK(unquote_name("").value().empty());
}

TEST_CASE("malformed escapes are refused") {
  for (const char* quoted : {"\\", "a\\", "\\q", "\\'", "\\x", "\\x4", "\\xg0", "\\x4g", "\\u123",
                             "\\u12g4", "\\ud800", "\\U0000004", "\\U00110000", "\\UFFFFFFFF",
                             "\\U0000D800", "\\12", "\\400", "\\189", "\\8"}) {
    CAPTURE(quoted);
    const auto raw = unquote_name(quoted);
    REQUIRE_FALSE(raw.has_value());
    CHECK(raw.error().code == ErrorCode::malformed);
  }
}

TEST_CASE("only names that are one component of a path are without flaw") {
  CHECK(name_flaw("a") == NameFlaw::none);
  CHECK(name_flaw("...") == NameFlaw::none);
  CHECK(name_flaw(" ") == NameFlaw::none);
  CHECK(name_flaw("\xFF\\") == NameFlaw::none);
  CHECK(name_flaw("") == NameFlaw::empty);
  CHECK(name_flaw(".") == NameFlaw::dot);
  CHECK(name_flaw("..") == NameFlaw::dot_dot);
  CHECK(name_flaw("x/../../evil") == NameFlaw::slash);
  CHECK(name_flaw("/") == NameFlaw::slash);
  CHECK(name_flaw(std::string_view("a\0b", 3)) == NameFlaw::nul);
  for (const auto flaw : {NameFlaw::none, NameFlaw::empty, NameFlaw::dot, NameFlaw::dot_dot,
                          NameFlaw::slash, NameFlaw::nul})
    CHECK_FALSE(describe(flaw).empty());
}

TEST_CASE(
    "UTF-8 is decoded strictly: no overlong forms, surrogates or code points that do not exist") {
  char32_t code_point = 0;
  CHECK(decode_utf8("a", code_point) == 1);
  CHECK(decode_utf8("\xC2\x80", code_point) == 2);
  CHECK(code_point == 0x80);
  CHECK(decode_utf8("\xEF\xBF\xBF", code_point) == 3);
  CHECK(code_point == 0xFFFF);
  CHECK(decode_utf8("\xF4\x8F\xBF\xBF", code_point) == 4);
  CHECK(code_point == 0x10FFFF);
  for (const char* bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xC3(",
        "\xE2\x82", "\xE2\x82(", "\xF0\x9F\x98"}) {
    CAPTURE(bad);
    CHECK(decode_utf8(bad, code_point) == 0);
    CHECK_FALSE(is_valid_utf8(std::string("ok ") + bad));
  }
}

TEST_CASE("every code point is encoded as it is decoded") {
  for (std::uint32_t value = 0; value < 0x110000; ++value) {
    if (value >= 0xD800 && value < 0xE000) continue;
    std::string text;
    append_utf8(static_cast<char32_t>(value), text);
    char32_t decoded = 0;
    if (decode_utf8(text, decoded) != text.size() || decoded != value) FAIL(value);
  }
}
