// The JSON reader against another parser: both accept the same texts, and strings mean the same.
// They may differ where Go's rules differ from the other parser's: bytes that are not UTF-8 and
// lone surrogates, numbers beyond 64 bits or a double's range, and depth.
#include <simdjson.h>

#include "base/check.hpp"
#include "repo/json_cursor.hpp"
#include "repo/names.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

void check_string(std::string_view json, std::string_view expected) {
  JsonCursor in(json);
  std::string text;
  CHECK(in.string(text) && in.at_end());
  CHECK(text == expected);
  JsonText out;
  out.string(text);
  const Bytes written = out.take();
  JsonCursor again(as_text(written));
  std::string_view read;
  CHECK(again.string_view(read) && read == text);
}

void check_number(std::string_view json, std::uint64_t expected) {
  JsonCursor in(json);
  std::uint64_t value = 0;
  CHECK(in.number(value) && value == expected);
}

void check_compact(std::string_view json) {
  JsonCursor in(json);
  std::string_view raw;
  CHECK(in.raw(raw));
  const std::string compact = compact_json(raw);
  JsonCursor again(compact);
  CHECK(again.skip() && again.at_end());
  CHECK(compact_json(compact) == compact);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static simdjson::dom::parser parser(1 << 20);
  const std::string_view text = as_text({bytes, size});
  JsonCursor in(text);
  const bool is_accepted = in.skip() && in.at_end();
  simdjson::dom::element element;
  const auto error = parser.parse(simdjson::padded_string(text)).get(element);
  const bool may_differ = error == simdjson::UTF8_ERROR || error == simdjson::STRING_ERROR ||
                          error == simdjson::NUMBER_ERROR || error == simdjson::DEPTH_ERROR ||
                          error == simdjson::CAPACITY;
  if (!may_differ && is_accepted) CHECK(error == simdjson::SUCCESS);
  if (error == simdjson::SUCCESS && !in.failed()) CHECK(is_accepted);
  if (error != simdjson::SUCCESS || !is_accepted) return 0;
  check_compact(text);
  std::string_view expected;
  if (element.get(expected) == simdjson::SUCCESS) check_string(text, expected);
  std::uint64_t number = 0;
  const bool is_negative = text.find('-') != std::string_view::npos;  // -0 is not unsigned in Go
  if (element.is_uint64() && !is_negative && element.get(number) == simdjson::SUCCESS)
    check_number(text, number);
  return 0;
}
