// Extended JSON: what parses is a valid document; writing it and parsing again settles at once.
#include "bson/ext_json.hpp"

#include "base/check.hpp"

using namespace holdfast;
using namespace holdfast::bson;

namespace {

void check_document(const Bytes& bytes) {
  const auto document = Document::validate(bytes);
  CHECK(document.has_value());
  static_cast<void>(to_ext_json(*document, JsonForm::relaxed));
  const std::string canonical = to_ext_json(*document, JsonForm::canonical);
  const auto again = parse_ext_json(canonical);
  if (!again.has_value()) return;  // a field named like a wrapper
  CHECK(to_ext_json(Document::trusted(*again)) == canonical);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = as_text({bytes, size});
  const auto document = parse_ext_json(text);
  if (document.has_value()) check_document(*document);
  const auto value = parse_ext_json_value(text);
  if (value.has_value()) CHECK(Document::validate(*value).has_value());
  return 0;
}
