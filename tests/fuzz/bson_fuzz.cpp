// BSON: what validates can be walked, compared, keyed, digested, written as extended JSON, and
// built again byte for byte.
#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/ext_json.hpp"
#include "bson/key.hpp"

#include "base/check.hpp"

using namespace holdfast;
using namespace holdfast::bson;

namespace {

void check_order(const Value& left, const Value& right) {
  const auto by_value = compare(left, right);
  CHECK(by_value == compare_bytes(key_of(left), key_of(right)));
  CHECK((compare(right, left) < 0) == (by_value > 0));
  CHECK((by_value == 0) == is_same(left, right));
}

// Rebuilds a document through the builder, nested ones as well.
void rebuild(Document document, Builder& builder, int depth) {
  for (const auto& element : document) {
    CHECK(element.value.bytes.size() ==
          value_bytes(element.value.type, element.value.bytes.data()));
    if (element.value.type == Type::document && depth < depth_max) {
      builder.begin_document(element.name);
      rebuild(element.value.as_document(), builder, depth + 1);
      builder.end();
    } else {
      builder.append(element.name, element.value);
    }
    CHECK(document.find(element.name).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto document = Document::validate({bytes, size});
  if (!document.has_value()) return 0;
  Builder builder;
  rebuild(*document, builder, 0);
  const Bytes again = builder.take();
  CHECK(as_text(again) == as_text(document->bytes()));
  std::optional<Value> previous;
  for (const auto& element : *document) {
    check_order(element.value, element.value);
    if (previous) check_order(*previous, element.value);
    previous = element.value;
    static_cast<void>(element.value.as_integer());
  }
  static_cast<void>(to_ext_json(*document, JsonForm::relaxed));
  const auto canonical = to_ext_json(*document, JsonForm::canonical);
  const auto parsed = parse_ext_json(canonical);
  if (!parsed.has_value()) return 0;
  // Text is lossy for bytes that are not UTF-8, but only once.
  const auto again_parsed = parse_ext_json(to_ext_json(Document::trusted(*parsed)));
  CHECK(again_parsed.has_value() && *again_parsed == *parsed);
  return 0;
}
