#include "repo/compress.hpp"

#include <doctest/doctest.h>

#include "base/rng.hpp"
#include "repo/unpacked.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

Bytes random_bytes(std::size_t count, std::uint64_t seed) {
  Bytes bytes(count);
  SeededRng(seed).fill(bytes);
  return bytes;
}

Bytes repetitive_bytes(std::size_t count) {
  Bytes bytes(count);
  for (std::size_t at = 0; at < count; ++at) bytes[at] = static_cast<std::uint8_t>("abcab"[at % 5]);
  return bytes;
}

// Made by `printf hello | zstd --check`: a frame with a checksum and without a content size.
const Bytes frame_with_checksum = from_hex(
                                      "28b52ffd0458290000"
                                      "68656c6c6f"
                                      "a36d9f88")
                                      .value();

}  // namespace

TEST_CASE("a frame gives back its bytes, at every level and for every size around the buffers") {
  Decompressor decompressor;
  for (const int level : {-100, -5, 1, 3, 19, 100}) {
    Compressor compressor(level);
    for (const std::size_t size : {0U, 1U, 255U, 256U, 65535U, 65536U, 65537U, 300000U}) {
      const Bytes plain = repetitive_bytes(size);
      Bytes frame = {1, 2, 3};
      const std::size_t written = compressor.append_frame(plain, frame).value();
      CHECK(frame.size() == written + 3);
      const ByteView view = ByteView(frame).subspan(3);
      Bytes decoded(size);
      CHECK(decompressor.decompress_into(view, decoded).has_value());
      CHECK(decoded == plain);
      CHECK(decompressor.decompress(view, size).value() == plain);
    }
  }
}

TEST_CASE("what does not get smaller by some percent is left alone") {
  Compressor compressor;
  Bytes out = {7};
  CHECK_FALSE(compressor.append_frame_if_worthwhile(random_bytes(100000, 1), out).value());
  CHECK(out == Bytes{7});
  CHECK_FALSE(compressor.append_frame_if_worthwhile({}, out).value());
  const auto written = compressor.append_frame_if_worthwhile(repetitive_bytes(100000), out).value();
  REQUIRE(written.has_value());
  CHECK(out.size() == *written + 1);
  CHECK(*written < 1000);
}

TEST_CASE("a wrong plain length is corrupt, in either direction") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes frame;
  REQUIRE(compressor.append_frame(repetitive_bytes(1000), frame).has_value());
  for (const std::size_t size : {0U, 999U, 1001U, 5000U}) {
    Bytes decoded(size);
    const auto result = decompressor.decompress_into(frame, decoded);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::corrupt);
  }
}

TEST_CASE("a bomb stops at the limit") {
  Compressor compressor(19);
  Decompressor decompressor;
  Bytes frame;
  REQUIRE(compressor.append_frame(Bytes(std::size_t{40} << 20, 0), frame).has_value());
  CHECK(frame.size() < 10000);
  const auto result = decompressor.decompress(frame, 1 << 20);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::limit_exceeded);
  CHECK(decompressor.decompress(frame, std::size_t{40} << 20).has_value());
}

TEST_CASE("every truncation of a frame is corrupt, and the context works on afterwards") {
  Compressor compressor;
  Decompressor decompressor;
  const Bytes plain = random_bytes(3000, 4);
  Bytes frame;
  REQUIRE(compressor.append_frame(plain, frame).has_value());
  for (std::size_t size = 0; size < frame.size(); size += 7) {
    const auto result = decompressor.decompress(ByteView(frame).first(size), 1 << 20);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::corrupt);
  }
  CHECK(decompressor.decompress(frame, 1 << 20).value() == plain);
}

TEST_CASE("a long blob is compressed whole when a part of it shrinks, and else left alone") {
  Compressor compressor;
  Decompressor decompressor;
  Bytes out;
  Bytes blob = random_bytes(std::size_t{2} << 20, 5);
  CHECK(!compressor.append_frame_if_worthwhile(blob, out).value().has_value());
  CHECK(out.empty());

  const Bytes text = repetitive_bytes(std::size_t{512} << 10);
  for (const std::size_t at : {std::size_t{0}, std::size_t{700'000}, blob.size() - text.size()}) {
    CAPTURE(at);
    Bytes mixed = blob;
    std::copy(text.begin(), text.end(), mixed.begin() + static_cast<std::ptrdiff_t>(at));
    out.clear();
    const auto written = compressor.append_frame_if_worthwhile(mixed, out).value();
    REQUIRE(written.has_value());
    CHECK(*written < mixed.size() * 4 / 5);
    Bytes again(mixed.size());
    REQUIRE(decompressor.decompress_into(out, again).has_value());
    CHECK(again == mixed);
  }
}

TEST_CASE("frames with a checksum and without a content size are read") {
  Decompressor decompressor;
  const auto plain = decompressor.decompress(frame_with_checksum, 100);
  REQUIRE(plain.has_value());
  CHECK(as_text(*plain) == "hello");
}

TEST_CASE("an unpacked file has a version byte in format 2 and none in format 1") {
  Compressor compressor;
  Decompressor decompressor;
  const ByteView json = as_bytes(R"({"packs":[]})");
  const Bytes second = encode_unpacked(json, FormatVersion::v2, compressor).value();
  CHECK(second.front() == 2);
  CHECK(as_text(decode_unpacked(second, FormatVersion::v2, decompressor).value()) == as_text(json));
  const Bytes first = encode_unpacked(json, FormatVersion::v1, compressor).value();
  CHECK(as_text(first) == as_text(json));
  for (const auto version : {FormatVersion::v1, FormatVersion::v2}) {
    CHECK(as_text(decode_unpacked(json, version, decompressor).value()) == as_text(json));
    CHECK(decode_unpacked({}, version, decompressor).value().empty());
  }
  CHECK(as_text(decode_unpacked(as_bytes("[1]"), FormatVersion::v2, decompressor).value()) ==
        "[1]");
}

TEST_CASE("an unknown version byte is corrupt") {
  Decompressor decompressor;
  for (const int first : {0, 1, 3, 32, 255}) {
    const Bytes payload = {static_cast<std::uint8_t>(first), '{', '}'};
    const auto json = decode_unpacked(payload, FormatVersion::v2, decompressor);
    REQUIRE_FALSE(json.has_value());
    CHECK(json.error().code == ErrorCode::corrupt);
  }
}
