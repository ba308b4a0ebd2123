#include "repo/pack_header.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "repo/sha256.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

PackedBlob blob_of(std::uint8_t seed, std::uint32_t offset, std::uint32_t length,
                   std::uint32_t plain_length) {
  PackedBlob blob{{}, BlobType::data, offset, length, plain_length};
  blob.id.bytes.fill(seed);
  return blob;
}

Result<std::vector<PackedBlob>> decode(ByteView plain, std::uint64_t blob_bytes) {
  return decode_pack_header(plain, {blob_bytes, 0});
}

ErrorCode code_of(const auto& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().code;
}

// A master key as the vectors have it.
MasterKey recorded_key(const nlohmann::json& vector) {
  MasterKey key;
  const auto fill = [&](const char* name, auto& part) {
    const Bytes bytes = from_hex(vector[name].get<std::string>()).value();
    std::copy_n(bytes.begin(), part.size(), part.begin());
  };
  fill("encrypt", key.encrypt);
  fill("k", key.mac_k);
  fill("r_unmasked", key.mac_r);
  return key;
}

}  // namespace

TEST_CASE("the recorded pack is built byte for byte and read again") {
  const auto file = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  const auto vectors = nlohmann::json::parse(as_text(file));
  const auto& recorded = vectors["pack_uncompressed"];
  const MasterKey key = recorded_key(vectors["seal"][0]);
  Bytes pack;
  const auto append_sealed = [&](ByteView plain, std::uint8_t nonce) {
    SealIv iv;
    iv.fill(nonce);
    pack.resize(pack.size() + plain.size() + seal_overhead_bytes);
    const auto sealed = MutableByteView(pack).last(plain.size() + seal_overhead_bytes);
    REQUIRE(seal_into(key, iv, plain, sealed).has_value());
    return static_cast<std::uint32_t>(sealed.size());
  };
  std::vector<PackedBlob> blobs;
  for (const auto& text : recorded["blobs"]) {
    const auto plain = text.get<std::string>();
    const auto offset = static_cast<std::uint32_t>(pack.size());
    const auto nonce = static_cast<std::uint8_t>(blobs.size() + 1);
    const std::uint32_t length = append_sealed(as_bytes(plain), nonce);
    blobs.push_back({BlobId{sha256(as_bytes(plain))}, BlobType::data, offset, length, 0});
  }
  const auto header_at = pack.size();
  const std::uint32_t header_bytes = append_sealed(encode_pack_header(blobs), 9);
  pack.resize(pack.size() + 4);
  store_le(pack.data() + pack.size() - 4, header_bytes);
  CHECK(to_hex(pack) == recorded["pack"].get<std::string>());
  CHECK(to_hex(sha256(pack)) == recorded["name"].get<std::string>());

  const auto place = locate_pack_header(ByteView(pack).last(4), pack.size()).value();
  CHECK(place.offset == header_at);
  Bytes plain(place.sealed_bytes - seal_overhead_bytes);
  const auto sealed = ByteView(pack).subspan(place.offset, place.sealed_bytes);
  REQUIRE(open_into(key, sealed, plain).has_value());
  CHECK(decode_pack_header(plain, place).value() == blobs);
}

TEST_CASE("compressed and other blobs of both types are told apart") {
  auto blobs = std::vector{blob_of(1, 0, 40, 0), blob_of(2, 40, 50, 1000), blob_of(3, 90, 32, 0),
                           blob_of(4, 122, 0xFFFF, 0xFFFFFFFF)};
  blobs[2].type = blobs[3].type = BlobType::tree;
  const Bytes plain = encode_pack_header(blobs);
  CHECK(plain.size() == 37 + 41 + 37 + 41);
  CHECK(plain[0] == 0);
  CHECK(plain[37] == 2);
  CHECK(plain[37 + 41] == 1);
  CHECK(plain[37 + 41 + 37] == 3);
  CHECK(decode(plain, 122 + 0xFFFF).value() == blobs);
}

TEST_CASE("an empty header is a pack without blobs") {
  CHECK(encode_pack_header({}).empty());
  CHECK(decode({}, 0).value().empty());
  CHECK(code_of(decode({}, 1)) == ErrorCode::corrupt);
}

TEST_CASE("a header that does not cover its pack exactly is corrupt") {
  const Bytes plain = encode_pack_header({blob_of(1, 0, 40, 0), blob_of(2, 40, 50, 60)});
  CHECK(decode(plain, 90).has_value());
  CHECK(code_of(decode(plain, 89)) == ErrorCode::corrupt);
  CHECK(code_of(decode(plain, 91)) == ErrorCode::corrupt);
  CHECK(code_of(decode(plain, 10)) == ErrorCode::corrupt);
}

TEST_CASE("damaged entries are corrupt") {
  const Bytes plain = encode_pack_header({blob_of(1, 0, 40, 70)});
  for (std::size_t size = 1; size < plain.size(); ++size)
    CHECK(code_of(decode(ByteView(plain).first(size), 40)) == ErrorCode::corrupt);
  Bytes unknown_type = plain;
  unknown_type[0] = 4;
  CHECK(code_of(decode(unknown_type, 40)) == ErrorCode::corrupt);
  Bytes no_plain_length = plain;
  store_le(no_plain_length.data() + 5, std::uint32_t{0});
  CHECK(code_of(decode(no_plain_length, 40)) == ErrorCode::corrupt);
  CHECK(code_of(decode(encode_pack_header({blob_of(1, 0, 31, 0)}), 31)) == ErrorCode::corrupt);
}

TEST_CASE("the place of the header is checked against the pack's size") {
  const auto locate = [](std::uint32_t sealed_bytes, std::uint64_t pack_bytes) {
    Bytes tail(4);
    store_le(tail.data(), sealed_bytes);
    return locate_pack_header(tail, pack_bytes);
  };
  CHECK(locate(69, 109).value().offset == 36);
  CHECK(locate(32, 36).value().offset == 0);
  CHECK(code_of(locate(31, 1000)) == ErrorCode::corrupt);
  CHECK(code_of(locate(33, 36)) == ErrorCode::corrupt);
  CHECK(code_of(locate((16U << 20) + 1, 1U << 30)) == ErrorCode::corrupt);
  CHECK(code_of(locate(0xFFFFFFFF, 1U << 30)) == ErrorCode::corrupt);
  CHECK(code_of(locate(69, pack_bytes_max + 1)) == ErrorCode::limit_exceeded);
  CHECK(code_of(locate_pack_header(Bytes(3, 0), 1000)) == ErrorCode::corrupt);
  CHECK(code_of(locate_pack_header(Bytes(8, 0), 7)) == ErrorCode::corrupt);
}

TEST_CASE("the first guess at the tail holds the header of fifteen compressed blobs") {
  std::vector<PackedBlob> blobs(15, blob_of(1, 0, 40, 70));
  CHECK(encode_pack_header(blobs).size() + seal_overhead_bytes + pack_length_field_bytes ==
        pack_tail_guess_bytes);
  CHECK(pack_blobs_max == 409199);
}
