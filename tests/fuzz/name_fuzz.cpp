// Names: any bytes are quoted to valid UTF-8 and back; what can be unquoted is quoted again to
// something that means the same.
#include "base/check.hpp"
#include "repo/json_cursor.hpp"
#include "repo/names.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = as_text({bytes, size});
  const std::string quoted = quote_name(text);
  CHECK(is_valid_utf8(quoted));
  CHECK(quoted.find('\n') == std::string::npos);
  const auto raw = unquote_name(quoted);
  CHECK(raw.has_value() && *raw == text);

  JsonText json;
  json.name(text);
  const Bytes written = json.take();
  JsonCursor in(as_text(written));
  std::string read;
  CHECK(in.string(read) && in.at_end() && read == quoted);

  const auto other = unquote_name(text);
  if (!other.has_value()) return 0;
  const auto back = unquote_name(quote_name(*other));
  CHECK(back.has_value() && *back == *other);
  static_cast<void>(name_flaw(*other));
  return 0;
}
