#include "repo/index_file.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace holdfast::repo;

namespace {

Result<std::vector<IndexedPack>> decode(std::string_view json) {
  std::vector<IndexedPack> packs;
  TRY(decode_index(as_bytes(json), [&](const IndexedPack& pack) -> Result<void> {
    packs.push_back(pack);
    return {};
  }));
  return packs;
}

IndexedPack pack_of(std::uint8_t seed, PackState state = PackState::live) {
  IndexedPack pack;
  pack.id.bytes.fill(seed);
  pack.state = state;
  pack.blobs = {{BlobId{}, BlobType::data, 0, 38, 0}, {BlobId{}, BlobType::tree, 38, 112, 511}};
  pack.blobs[1].id.bytes.fill(9);
  return pack;
}

std::string repeated(char digit) {
  return std::string(64, digit);
}

}  // namespace

TEST_CASE("an index is written in restic's form and read again") {
  IndexEncoder encoder;
  encoder.add(pack_of(0x11));
  CHECK(encoder.blob_count() == 2);
  CHECK(encoder.pack_count() == 1);
  CHECK(encoder.json_bytes() > 100);
  const Bytes json = encoder.finish();
  CHECK(as_text(json) == R"({"packs":[{"id":")" + repeated('1') + R"(","blobs":[{"id":")" +
                             repeated('0') + R"(","type":"data","offset":0,"length":38},{"id":")" +
                             "0909090909090909090909090909090909090909090909090909090909090909" +
                             R"(","type":"tree","offset":38,"length":112,)"
                             R"("uncompressed_length":511}]}]})" +
                             "\n");
  CHECK(decode(as_text(json)).value() == std::vector{pack_of(0x11)});
  CHECK(encoder.blob_count() == 0);
}

TEST_CASE("an empty index is written and read") {
  IndexEncoder encoder;
  CHECK(as_text(encoder.finish()) == "{\"packs\":[]}\n");
  CHECK(decode("{\"packs\":[]}\n").value().empty());
  CHECK(decode("{}").value().empty());
  CHECK(decode(R"({"packs":null,"packs_to_delete":null})").value().empty());
}

TEST_CASE("packs marked for deletion stand apart, with their time and size") {
  auto marked = pack_of(0x22, PackState::marked);
  marked.time = NodeTime{1500000000, 5, 0};
  marked.pack_bytes = 4096;
  IndexEncoder encoder;
  encoder.add(marked);
  encoder.add(pack_of(0x11));
  encoder.add(pack_of(0x33, PackState::marked));
  const Bytes json = encoder.finish();
  CHECK(as_text(json).find(R"("packs_to_delete":[{"id":"2222)") != std::string::npos);
  CHECK(as_text(json).find(R"("time":"2017-07-14T02:40:00.000000005Z","size":4096})") !=
        std::string::npos);
  CHECK(decode(as_text(json)).value() ==
        std::vector{pack_of(0x11), marked, pack_of(0x33, PackState::marked)});
}

TEST_CASE("members of other versions are ignored") {
  const auto packs = decode(R"({"supersedes":["x"],"packs":[{"blobs":[{"future":1,"length":5}],)"
                            R"("id":")" +
                            repeated('a') + R"(","new":{}}]})")
                         .value();
  REQUIRE(packs.size() == 1);
  CHECK(packs[0].blobs[0].length == 5);
  CHECK(packs[0].id.hex() == repeated('a'));
}

TEST_CASE("malformed indexes are refused") {
  for (const char* json :
       {"", "[]", "{", R"({"packs":{}})", R"({"packs":[1]})", R"({"packs":[{"id":"ab"}]})",
        R"({"packs":[{"blobs":[{"type":"dat"}]}]})", R"({"packs":[{"blobs":[{"offset":-1}]}]})",
        R"({"packs":[{"blobs":[{"length":4294967296}]}]})", R"({"packs":[]}x)", R"({"packs":[})",
        R"({"packs":[{"time":"now"}]})", R"({"packs":[{"blobs":[1]}]})"}) {
    CAPTURE(json);
    const auto packs = decode(json);
    REQUIRE_FALSE(packs.has_value());
    CHECK(packs.error().code == ErrorCode::malformed);
  }
}

TEST_CASE("an error of the visitor ends the reading") {
  int seen = 0;
  const auto result =
      decode_index(as_bytes(R"({"packs":[{},{},{}]})"), [&](const IndexedPack&) -> Result<void> {
        if (++seen == 2) return fail(ErrorCode::interrupted, "enough");
        return {};
      });
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::interrupted);
  CHECK(seen == 2);
}

TEST_CASE("gaps and overlaps between the blobs of a pack are found") {
  auto pack = pack_of(0x11);
  CHECK_FALSE(coverage_flaw(pack).has_value());
  std::swap(pack.blobs[0], pack.blobs[1]);
  CHECK_FALSE(coverage_flaw(pack).has_value());
  pack.blobs[0].offset = 39;
  CHECK(coverage_flaw(pack).value() == "gap at offset 38 of pack 11111111");
  pack.blobs[0].offset = 30;
  CHECK(coverage_flaw(pack).value() == "overlap at offset 30 of pack 11111111");
  pack.blobs.erase(pack.blobs.begin() + 1);
  CHECK(coverage_flaw(pack).value() == "gap at offset 0 of pack 11111111");
  pack.blobs.clear();
  CHECK_FALSE(coverage_flaw(pack).has_value());
}
