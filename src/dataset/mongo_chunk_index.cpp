#include "dataset/mongo_chunk_index.hpp"

#include "bson/compare.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t binary_header_bytes = 5;

tl::unexpected<Error> malformed(std::string_view field) {
  return fail(ErrorCode::malformed,
              "chunk index: '" + std::string(field) + "' is missing or wrong");
}

Result<ByteView> bytes32(bson::Document document, std::string_view field) {
  const auto value = document.find(field);
  const bool is_right =
      value && value->type == bson::Type::binary && value->bytes.size() == binary_header_bytes + 32;
  if (!is_right) return malformed(field);
  return value->bytes.subspan(binary_header_bytes);
}

Result<std::uint64_t> number(bson::Document document, std::string_view field) {
  const auto value = document.find(field);
  const auto integer = value ? value->as_integer() : std::nullopt;
  if (!integer || *integer < 0) return malformed(field);
  return static_cast<std::uint64_t>(*integer);
}

}  // namespace

Bytes encode_chunk_entry(const Chunk& chunk, const ChunkName& name) {
  bson::Builder builder;
  if (chunk.first_id) builder.append("first", *chunk.first_id);
  if (chunk.last_id) builder.append("last", *chunk.last_id);
  builder.append_int64("count", static_cast<std::int64_t>(chunk.count));
  builder.append_int64("bytes", static_cast<std::int64_t>(chunk.bytes.size()));
  builder.append_binary("digest", 0, chunk.digest.bytes());
  builder.append_binary("blob", 0, name);
  return builder.take();
}

Result<ChunkEntry> decode_chunk_entry(bson::Document document) {
  ChunkEntry entry;
  entry.first_id = document.find("first");
  entry.last_id = document.find("last");
  entry.count = TRY(number(document, "count"));
  entry.bytes = TRY(number(document, "bytes"));
  const ByteView digest = TRY(bytes32(document, "digest"));
  const ByteView blob = TRY(bytes32(document, "blob"));
  entry.digest = bson::Digest256::from_bytes(digest);
  std::copy(blob.begin(), blob.end(), entry.name.begin());
  return entry;
}

bool may_hold(const ChunkEntry& entry, const bson::Value& id) {
  if (!entry.last_id) return false;  // the last document has no `_id`, so none before it has
  if (entry.first_id && bson::compare(id, *entry.first_id) < 0) return false;
  return bson::compare(id, *entry.last_id) <= 0;
}

}  // namespace holdfast::dataset
