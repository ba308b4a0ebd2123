#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/key.hpp"
#include "dataset/mongo_chunk_index.hpp"
#include "dataset/mongo_sorter.hpp"
#include "dataset/spill_files.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

namespace {

Bytes numbered(std::int32_t id, std::int32_t version = 0, std::size_t padding = 0) {
  bson::Builder builder;
  builder.append_int32("_id", id);
  builder.append_int32("version", version);
  builder.append_text("text", std::string(padding, static_cast<char>('a' + id % 26)));
  return builder.take();
}

std::vector<Bytes> all_of(DocumentStream& stream) {
  std::vector<Bytes> documents;
  while (const auto document = stream.next().value()) documents.push_back(to_bytes(*document));
  return documents;
}

struct Cut {
  std::vector<Bytes> blobs;
  std::vector<Bytes> entries;
};

Cut cut(const std::vector<Bytes>& documents, const ChunkLimits& limits) {
  Cut out;
  bson::Sha256 sha;
  DocumentChunker chunker(limits, [&](const Chunk& chunk) -> Result<void> {
    out.blobs.push_back(to_bytes(chunk.bytes));
    out.entries.push_back(encode_chunk_entry(chunk, sha.of(chunk.bytes)));
    return {};
  });
  for (const Bytes& document : documents) {
    Bytes key;
    id_key_of(bson::Document::trusted(document), key);
    CHECK(chunker.add(document, key).has_value());
  }
  CHECK(chunker.finish().has_value());
  return out;
}

constexpr ChunkLimits small_limits{
    .bytes_min = 1024, .bytes_average = 4096, .bytes_max = 16384, .seed = 7};

}  // namespace

TEST_CASE("documents come out in order whatever the memory bound and the number of runs") {
  std::vector<Bytes> wanted;
  for (std::int32_t id = 0; id < 3000; ++id) wanted.push_back(numbered(id));
  std::vector<Bytes> shuffled = wanted;
  for (std::size_t at = 0; at < shuffled.size(); ++at)
    std::swap(shuffled[at], shuffled[(at * 7919 + 13) % shuffled.size()]);
  SpillFiles spill(std::filesystem::temp_directory_path());
  for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{20'000}, std::size_t{1'000}}) {
    INFO(memory);
    DocumentSorter sorter(spill, {.memory_bytes_max = memory});
    for (const Bytes& document : shuffled) REQUIRE(sorter.add(document).has_value());
    auto sorted = sorter.finish().value();
    CHECK(all_of(*sorted) == wanted);
    CHECK(sorter.duplicate_count() == 0);
  }
}

TEST_CASE("of documents with one _id the last one stays, and documents without _id come first") {
  bson::Builder builder;
  builder.append_text("no", "id");
  const Bytes nameless = builder.take();
  SpillFiles spill(std::filesystem::temp_directory_path());
  for (const std::size_t memory : {std::size_t{1} << 20, std::size_t{100}}) {
    INFO(memory);
    DocumentSorter sorter(spill, {.memory_bytes_max = memory});
    for (const Bytes& document :
         {numbered(2, 1), nameless, numbered(1, 1), numbered(2, 2), nameless, numbered(2, 3)})
      REQUIRE(sorter.add(document).has_value());
    auto sorted = sorter.finish().value();
    CHECK(all_of(*sorted) ==
          std::vector<Bytes>{nameless, nameless, numbered(1, 1), numbered(2, 3)});
    CHECK(sorter.duplicate_count() == 2);
  }
}

TEST_CASE("chunks join to the whole, keep their limits and say what they hold") {
  std::vector<Bytes> documents;
  for (std::int32_t id = 0; id < 2000; ++id)
    documents.push_back(numbered(id, 0, static_cast<std::size_t>(id % 200)));
  documents.push_back(numbered(5000, 0, 40'000));
  const Cut out = cut(documents, small_limits);
  Bytes whole;
  for (const Bytes& document : documents) append(whole, document);
  Bytes joined;
  bson::Digest256 sum;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < out.blobs.size(); ++at) {
    append(joined, out.blobs[at]);
    const ChunkEntry entry = decode_chunk_entry(bson::Document::trusted(out.entries[at])).value();
    CHECK(entry.bytes == out.blobs[at].size());
    const auto first = bson::Document::trusted(out.blobs[at]);
    CHECK(bson::is_same(*entry.first_id, *first.find("_id")));
    sum += entry.digest;
    count += entry.count;
    const bool is_giant = entry.count == 1 && entry.bytes > small_limits.bytes_max;
    CHECK((is_giant || entry.bytes <= small_limits.bytes_max));
    if (at + 2 < out.blobs.size()) CHECK(entry.bytes >= small_limits.bytes_min);
  }
  CHECK(joined == whole);
  CHECK(count == documents.size());
  bson::ContentDigest digest;
  for (const Bytes& document : documents) digest.add(document);
  CHECK(sum == digest.digest());
  CHECK(out.blobs.back().size() > 40'000);
}

TEST_CASE("a changed, added or removed document changes only the blobs around it") {
  std::vector<Bytes> documents;
  for (std::int32_t id = 0; id < 4000; ++id) documents.push_back(numbered(2 * id, 0, 60));
  const Cut before = cut(documents, small_limits);
  documents[1000] = numbered(2000, 9, 75);
  documents.insert(documents.begin() + 2000, numbered(3999, 0, 60));
  documents.erase(documents.begin() + 3000);
  const Cut after = cut(documents, small_limits);
  std::vector<Bytes> old = before.blobs;
  std::sort(old.begin(), old.end());
  std::size_t changed = 0;
  for (const Bytes& blob : after.blobs)
    changed += std::binary_search(old.begin(), old.end(), blob) ? 0 : 1;
  CHECK(before.blobs.size() > 60);
  CHECK(changed >= 3);
  CHECK(changed <= 12);
}

TEST_CASE("the chunk index names the one chunk that can hold an _id") {
  std::vector<Bytes> documents;
  for (std::int32_t id = 0; id < 1000; ++id) documents.push_back(numbered(2 * id, 0, 60));
  const Cut out = cut(documents, small_limits);
  REQUIRE(out.entries.size() > 3);
  for (std::int32_t id : {0, 777 * 2, 1998}) {
    const Bytes wanted = numbered(id);
    const auto value = *bson::Document::trusted(wanted).find("_id");
    std::size_t holders = 0;
    for (const Bytes& entry : out.entries)
      holders += may_hold(*decode_chunk_entry(bson::Document::trusted(entry)), value) ? 1 : 0;
    CHECK(holders == 1);
  }
  const Bytes beyond = numbered(2001);
  for (const Bytes& entry : out.entries)
    CHECK_FALSE(may_hold(*decode_chunk_entry(bson::Document::trusted(entry)),
                         *bson::Document::trusted(beyond).find("_id")));
}

TEST_CASE("a chunk index entry that lacks or mistypes a field is refused") {
  const Cut out = cut({numbered(1)}, small_limits);
  for (const bson::Element& left_out : bson::Document::trusted(out.entries[0])) {
    bson::Builder builder;
    for (const bson::Element& element : bson::Document::trusted(out.entries[0])) {
      if (element.name != left_out.name) builder.append_raw(element.raw);
    }
    const bool is_optional = left_out.name == "first" || left_out.name == "last";
    INFO(left_out.name);
    CHECK(decode_chunk_entry(builder.finish()).has_value() == is_optional);
  }
}
