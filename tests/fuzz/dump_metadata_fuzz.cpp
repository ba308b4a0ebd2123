// Metadata of mongodump, names of its files, and our own notes beside a dump: what decodes is
// encoded and decoded again to the same text.
#include "base/check.hpp"
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_manifest.hpp"
#include "dataset/mongo_segments.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

namespace {

void check_metadata(std::string_view text) {
  MongoCollection collection{"db", "name"};
  if (!read_metadata(text, collection).has_value()) return;
  const std::string json = metadata_json(collection);
  MongoCollection again{"db", "name"};
  const auto read = read_metadata(json, again);
  if (read.has_value()) CHECK(metadata_json(again) == json);
}

void check_names(std::string_view text) {
  const std::string stem = file_stem_of(text);
  CHECK(stem.size() <= 255);
  CHECK(stem.find('/') == std::string::npos);
  if (text.size() <= 60) CHECK(collection_of(stem) == text);
  static_cast<void>(collection_of(text));
  static_cast<void>(is_database_name(text));
  static_cast<void>(check_dataset_name(text));
}

void check_notes(std::string_view text) {
  const auto window = decode_window(text);
  if (window.has_value()) CHECK(decode_window(encode_window(*window)).has_value());
  const auto manifest = decode_manifest(text);
  if (manifest.has_value()) {
    const std::string json = encode_manifest(*manifest);
    const auto again = decode_manifest(json);
    CHECK(again.has_value() && encode_manifest(*again) == json);
  }
  const auto segments = decode_segments(text);
  if (!segments.has_value()) return;
  const auto again = decode_segments(encode_segments("d", *segments));
  CHECK(again.has_value() && *again == *segments);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = as_text({bytes, size});
  check_metadata(text);
  check_names(text);
  check_notes(text);
  const auto document = bson::Document::validate({bytes, size});
  if (document.has_value()) static_cast<void>(decode_chunk_entry(*document));
  return 0;
}
