#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"

using namespace holdfast;
using namespace holdfast::bson;

namespace {

int small(int limit) {
  return *rc::gen::inRange(0, limit);
}

std::string some_text() {
  static constexpr std::string_view pieces[] = {
      "a", "b", std::string_view("\0", 1), "\xC3\xA9", "\xF0\x9F\x98\x80", "\"", "\x7F", "\n"};
  std::string text;
  for (int left = small(4); left > 0; --left) text += pieces[small(8)];
  return text;
}

std::string some_name() {
  static constexpr std::string_view names[] = {"_id", "a", "b", "", "k.x", "\xC3\xA9"};
  return std::string(names[small(6)]);
}

double some_double() {
  static constexpr double special[] = {
      0.0,  -0.0,    0.1, 1.0, -1.5, 5e-324, 1.7976931348623157e308, 9007199254740992.0,
      1e22, 123456.0};
  if (small(2) == 0) return special[small(10)];
  double value = 0;
  const auto bits = *rc::gen::arbitrary<std::uint64_t>();
  std::memcpy(&value, &bits, sizeof value);
  return value == value ? value : 0.5;  // NaN payloads do not survive text
}

void append_some(Builder& builder, const std::string& name, int depth);

void append_container(Builder& builder, const std::string& name, int depth) {
  const bool list = small(2) == 0;
  list ? builder.begin_array(name) : builder.begin_document(name);
  const int count = small(4);
  for (int at = 0; at < count; ++at)
    append_some(builder, list ? std::to_string(at) : some_name(), depth + 1);
  builder.end();
}

// Types whose value bytes can be given directly.
void append_raw_value(Builder& builder, const std::string& name) {
  const Bytes sixteen = [] {
    Bytes bytes(16);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(small(256));
    bytes[15] = 0x30;  // a canonical decimal: small exponent, coefficient below 10^34
    bytes[14] &= 0x41;
    return bytes;
  }();
  static constexpr std::string_view regex("^a\0im\0", 6);
  const Value values[] = {{Type::object_id, ByteView(sixteen).first(12)},
                          {Type::date, ByteView(sixteen).first(8)},
                          {Type::decimal128, sixteen},
                          {Type::regex, as_bytes(regex)},
                          {Type::min_key, {}},
                          {Type::max_key, {}},
                          {Type::undefined, {}}};
  builder.append(name, values[small(7)]);
}

void append_some(Builder& builder, const std::string& name, int depth) {
  switch (small(depth < 4 ? 10 : 8)) {
    case 0:
      return builder.append_int32(name, *rc::gen::arbitrary<std::int32_t>());
    case 1:
      return builder.append_int64(name,
                                  small(2) == 0 ? small(100) : *rc::gen::arbitrary<std::int64_t>());
    case 2:
      return builder.append_double(name, some_double());
    case 3:
      return builder.append_text(name, some_text());
    case 4:
      return builder.append_bool(name, small(2) == 0);
    case 5:
      return builder.append_timestamp(name, {*rc::gen::arbitrary<std::uint32_t>(), 3});
    case 6:
      return builder.append_binary(name, static_cast<std::uint8_t>(small(256)),
                                   as_bytes(some_text()));
    case 7:
      return append_raw_value(builder, name);
    default:
      return append_container(builder, name, depth);
  }
}

Bytes some_document() {
  Builder builder;
  const int count = small(5);
  for (int at = 0; at < count; ++at) append_some(builder, some_name(), 0);
  return builder.take();
}

}  // namespace

TEST_CASE("comparing two values agrees with memcmp of their keys") {
  CHECK(rc::check([] {
    const Bytes left = some_document();
    const Bytes right = some_document();
    for (const Element& a : Document::trusted(left)) {
      for (const Element& b : Document::trusted(right)) {
        const auto by_key = compare_bytes(key_of(a.value), key_of(b.value));
        RC_ASSERT(compare(a.value, b.value) == by_key);
        RC_ASSERT((compare(b.value, a.value) == 0) == (by_key == 0));
      }
    }
  }));
}

TEST_CASE("random documents go through canonical extended JSON unchanged") {
  CHECK(rc::check([] {
    const Bytes bytes = some_document();
    const Document document = Document::validate(bytes).value();
    const std::string text = to_ext_json(document);
    const auto back = parse_ext_json(text);
    if (!back.has_value()) RC_FAIL(back.error().message + ": " + text);
    if (*back != bytes) RC_FAIL("changed: " + text);
  }));
}

TEST_CASE("a document with a flipped byte is refused or can be walked, printed and keyed") {
  CHECK(rc::check([] {
    Bytes bytes = some_document();
    const auto at = static_cast<std::size_t>(small(static_cast<int>(bytes.size())));
    bytes[at] = static_cast<std::uint8_t>(small(256));
    const auto document = Document::validate(bytes);
    if (!document.has_value()) return;
    Bytes key;
    for (const Element& element : *document) append_key(element.value, key);
    RC_ASSERT(!to_ext_json(*document).empty());
  }));
}

TEST_CASE("random text is refused or makes a valid document") {
  CHECK(rc::check([] {
    std::string text = to_ext_json(Document::trusted(some_document()));
    const auto at = static_cast<std::size_t>(small(static_cast<int>(text.size())));
    text[at] = static_cast<char>(small(256));
    const auto bytes = parse_ext_json(text);
    if (bytes.has_value()) RC_ASSERT(Document::validate(*bytes).has_value());
  }));
}
