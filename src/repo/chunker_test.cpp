#include "repo/chunker.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/file.hpp"
#include "repo/sha256.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

constexpr ChunkSearch all_searches[] = {ChunkSearch::one_lane, ChunkSearch::four_lanes,
                                        ChunkSearch::gfni};

std::vector<ChunkSearch> available_searches() {
  std::vector<ChunkSearch> available;
  for (const auto search : all_searches)
    if (is_available(search)) available.push_back(search);
  return available;
}

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRng(seed).fill(bytes);
  return bytes;
}

std::vector<std::size_t> chunk_sizes(const Chunker& chunker, ByteView file) {
  std::vector<std::size_t> sizes;
  for (; !file.empty(); file = file.subspan(sizes.back())) sizes.push_back(chunker.first_cut(file));
  return sizes;
}

// The form of docs/repository_format.md A10 that streams, with its ring of 64 bytes and its initial
// byte 1: written down as independently of the searches as possible.
std::vector<std::size_t> streamed_chunk_sizes(Polynomial polynomial, ByteView file) {
  std::vector<std::size_t> sizes;
  std::size_t size = 0, at_ring = 1;
  std::uint64_t digest = 1;
  std::array<std::uint8_t, 64> ring{1};
  Polynomial oldest{1};
  for (int i = 0; i < 63; ++i) oldest = multiply(oldest, Polynomial{256}, polynomial);
  for (const std::uint8_t byte : file) {
    if (++size > chunk_bytes_min - 64) {
      digest ^= multiply(Polynomial{ring[at_ring]}, oldest, polynomial).bits;
      ring[at_ring] = byte;
      at_ring = (at_ring + 1) % 64;
      digest = remainder(Polynomial{digest << 8 | byte}, polynomial).bits;
    }
    if (size < chunk_bytes_min || ((digest & 0xFFFFF) != 0 && size < chunk_bytes_max)) continue;
    sizes.push_back(std::exchange(size, 0));
    digest = at_ring = 1;
    ring = {1};
  }
  if (size > 0) sizes.push_back(size);
  return sizes;
}

// SHA-256("seed-0") || SHA-256("seed-1") || …, the generator behind the recorded cuts.
Bytes recorded_stream(const std::string& seed, std::size_t size) {
  Bytes bytes;
  for (std::size_t i = 0; bytes.size() < size; ++i)
    append(bytes, sha256(as_bytes(seed + "-" + std::to_string(i))));
  bytes.resize(size);
  return bytes;
}

Bytes recorded_input(const std::string& name) {
  if (name == "empty") return {};
  if (name.starts_with("zeros ")) return Bytes(std::stoul(name.substr(6)), std::uint8_t{0});
  if (name.starts_with("0xff * ")) return Bytes(std::stoul(name.substr(7)), std::uint8_t{0xFF});
  const auto space = name.rfind(' ');
  return recorded_stream(name.substr(7, space - 7), std::stoul(name.substr(space + 1)));
}

nlohmann::json recorded_vectors() {
  const auto bytes = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  return nlohmann::json::parse(as_text(bytes));
}

}  // namespace

TEST_CASE("the tables are restic's") {
  const auto vectors = recorded_vectors();
  const auto& recorded = vectors["tables"];
  const auto polynomial = Polynomial::parse(recorded["pol"].get<std::string>()).value();
  const auto tables = make_rabin_tables(polynomial);
  Bytes overflow(256 * 8);
  for (std::size_t byte = 0; byte < 256; ++byte)
    store_le(overflow.data() + 8 * byte, tables.overflow[byte]);
  CHECK(to_hex(sha256(overflow)) == recorded["mod_sha256_le64"].get<std::string>());
  for (const auto& [byte, hex] : recorded["out"].items()) {
    const auto out = Polynomial::parse(hex.get<std::string>()).value();
    CHECK(tables.leaving[std::stoul(byte)] == multiply(out, Polynomial{256}, polynomial).bits);
  }
}

TEST_CASE("every search finds the cuts that restic finds") {
  const auto vectors = recorded_vectors();
  for (const auto& recorded : vectors["chunks"]) {
    const auto polynomial = Polynomial::parse(recorded["pol"].get<std::string>()).value();
    const auto input = recorded_input(recorded["input"].get<std::string>());
    for (const auto search : available_searches()) {
      CAPTURE(static_cast<int>(search));
      CAPTURE(recorded["input"]);
      const auto chunker = Chunker::make(polynomial, search).value();
      const auto sizes = chunk_sizes(chunker, input);
      CHECK(sizes == recorded["sizes"].get<std::vector<std::size_t>>());
      if (!sizes.empty())
        CHECK(to_hex(sha256(ByteView(input).first(sizes[0]))) ==
              recorded["first_id"].get<std::string>());
    }
  }
}

TEST_CASE("every search agrees with the streaming form for random polynomials and contents") {
  SeededRng rng(11);
  for (int round = 0; round < 2; ++round) {
    const auto polynomial = random_irreducible(rng).value();
    const auto file = random_bytes(3'500'000, rng.next());
    const auto expected = streamed_chunk_sizes(polynomial, file);
    for (const auto search : available_searches())
      CHECK(chunk_sizes(Chunker::make(polynomial, search).value(), file) == expected);
  }
}

TEST_CASE("every search finds the same first cut wherever a file begins and ends") {
  SeededRng rng(12);
  const auto polynomial = random_irreducible(rng).value();
  const auto yardstick = Chunker::make(polynomial, ChunkSearch::one_lane).value();
  const auto file = random_bytes(9'000'000, 13);
  for (const auto search : available_searches()) {
    const auto chunker = Chunker::make(polynomial, search).value();
    for (int round = 0; round < 60; ++round) {
      const auto from = rng.below(4'000'000);
      const auto size =
          rng.below(2) == 0 ? rng.below(file.size() - from) : chunk_bytes_min + rng.below(300'000);
      const auto rest = ByteView(file).subspan(from, size);
      CHECK(chunker.first_cut(rest) == yardstick.first_cut(rest));
    }
  }
}

TEST_CASE("every search finds a cut at each place around the edges of its segments and blocks") {
  // A cut is planted by copying the 64 bytes that end at one found before.
  const auto polynomial = Polynomial{0x3da3358b4dc173};
  const auto yardstick = Chunker::make(polynomial, ChunkSearch::one_lane).value();
  const auto source = random_bytes(chunk_bytes_max, 14);
  const auto found = yardstick.first_cut(source);
  REQUIRE(found < chunk_bytes_max);
  const auto window = ByteView(source).subspan(found - 64, 64);

  Bytes file(chunk_bytes_min + 200'000, std::uint8_t{0xFF});
  REQUIRE(yardstick.first_cut(file) == file.size());
  std::vector<std::size_t> ends;
  for (const std::size_t edge :
       {0u, 1024u, 2048u, 4096u, 16384u, 65536u, 131072u, 196608u, 200'000u})
    for (std::size_t near = 0; near <= 4; ++near)
      if (edge + near >= 2) ends.push_back(chunk_bytes_min + edge + near - 2);
  for (const auto end : ends) {
    if (end > file.size()) continue;
    auto planted = file;
    std::copy(window.begin(), window.end(), planted.data() + end - 64);
    for (const auto search : available_searches()) {
      CAPTURE(end);
      CHECK(Chunker::make(polynomial, search).value().first_cut(planted) == end);
    }
  }
}

TEST_CASE("every search treats regular contents and edge sizes alike") {
  const auto polynomial = Polynomial{0x25b468838dcb75};
  std::vector<Bytes> files;
  for (const int fill : {0x00, 0xFF, 0x5A})
    files.emplace_back(9'000'000, static_cast<std::uint8_t>(fill));
  for (const std::size_t period : {2u, 3u, 64u, 65u, 1000u, 4096u}) {
    Bytes periodic = random_bytes(9'000'000, period);
    for (std::size_t i = period; i < periodic.size(); ++i) periodic[i] = periodic[i - period];
    files.push_back(std::move(periodic));
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, chunk_bytes_min - 1,
        chunk_bytes_min, chunk_bytes_min + 1, chunk_bytes_min + 65535, chunk_bytes_min + 65536,
        chunk_bytes_min + 65537, chunk_bytes_max - 1, chunk_bytes_max, chunk_bytes_max + 1})
    files.push_back(random_bytes(size, size));
  const auto yardstick = Chunker::make(polynomial, ChunkSearch::one_lane).value();
  for (const auto search : available_searches()) {
    const auto chunker = Chunker::make(polynomial, search).value();
    for (const auto& file : files)
      CHECK(chunk_sizes(chunker, file) == chunk_sizes(yardstick, file));
  }
}

TEST_CASE("a chunk never reaches beyond 8 MiB and an empty file has none") {
  const auto chunker = Chunker::make(Polynomial{0x3da3358b4dc173}).value();
  CHECK(chunker.first_cut({}) == 0);
  CHECK(chunker.first_cut(Bytes(20'000'000, std::uint8_t{0xFF})) == chunk_bytes_max);
  CHECK(chunker.first_cut(Bytes(20'000'000, std::uint8_t{0})) == chunk_bytes_min);
}

TEST_CASE("a reducible polynomial, or one of another degree, makes no chunker") {
  for (const auto* hex : {"3da3358b4dc171", "7", "0"})
    CHECK(Chunker::make(Polynomial::parse(hex).value()).error().code == ErrorCode::malformed);
}
