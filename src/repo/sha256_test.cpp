#include "repo/sha256.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <vector>

#include "base/rng.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

Digest by_openssl(ByteView message) {
  Digest digest;
  REQUIRE(EVP_Digest(message.data(), message.size(), digest.data(), nullptr, EVP_sha256(),
                     nullptr) == 1);
  return digest;
}

std::vector<Sha256Engine> available_engines() {
  std::vector<Sha256Engine> available;
  for (const auto engine : {Sha256Engine::openssl, Sha256Engine::sha_ni, Sha256Engine::avx512})
    if (is_available(engine)) available.push_back(engine);
  return available;
}

// Hashes the messages with every engine and compares each digest with OpenSSL's.
void check_batch(const std::vector<ByteView>& messages) {
  for (const auto engine : available_engines()) {
    std::vector<Digest> digests(messages.size());
    sha256_many(messages, digests, engine);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      CAPTURE(static_cast<int>(engine));
      CAPTURE(messages[i].size());
      CHECK(digests[i] == by_openssl(messages[i]));
    }
  }
}

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRng(seed).fill(bytes);
  return bytes;
}

}  // namespace

TEST_CASE("the digests of FIPS 180-4's examples") {
  CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("one message of every length up to 300 has OpenSSL's digest") {
  const auto bytes = random_bytes(300, 1);
  for (std::size_t size = 0; size <= bytes.size(); ++size)
    CHECK(sha256(ByteView(bytes).first(size)) == by_openssl(ByteView(bytes).first(size)));
}

TEST_CASE("all lengths up to 300 in one batch have OpenSSL's digests") {
  const auto bytes = random_bytes(300, 2);
  std::vector<ByteView> messages;
  for (std::size_t size = 0; size <= bytes.size(); ++size)
    messages.push_back(ByteView(bytes).first(size));
  check_batch(messages);
}

TEST_CASE("batches of every size up to 40 and of wildly different lengths have the same digests") {
  SeededRng rng(3);
  const auto bytes = random_bytes(200'000, 4);
  for (std::size_t count = 0; count <= 40; ++count) {
    std::vector<ByteView> messages;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t longest = std::uint64_t{1} << rng.below(18);
      const std::uint64_t from = rng.below(bytes.size() - longest);
      messages.push_back(ByteView(bytes).subspan(from, rng.below(longest + 1)));
    }
    check_batch(messages);
  }
}

TEST_CASE("messages of the same length, in any number, have the same digests") {
  const auto bytes = random_bytes(65536 + 40, 5);
  for (const std::size_t size : {64u, 4096u, 65536u})
    for (const std::size_t count : {1u, 2u, 3u, 4u, 5u, 8u, 9u, 15u, 16u, 17u, 33u}) {
      std::vector<ByteView> messages;
      for (std::size_t i = 0; i < count; ++i) messages.push_back(ByteView(bytes).subspan(i, size));
      check_batch(messages);
    }
}

TEST_CASE("parts of messages beside whole ones give the digests of the whole messages") {
  if (!can_hash_in_parts()) return;
  SeededRng rng(8);
  const auto bytes = random_bytes(100'000, 9);
  for (const auto engine : available_engines()) {
    if (engine == Sha256Engine::openssl) continue;
    for (int round = 0; round < 20; ++round) {
      const auto long_one = ByteView(bytes).first(rng.below(bytes.size()));
      const auto short_one = ByteView(bytes).first(rng.below(2000));
      Sha256Midstate midstate;
      Digest digest;
      for (int part = 0; part < 3; ++part) {
        const auto rest = long_one.subspan(midstate.bytes);
        const auto blocks = rng.below(rest.size() / sha256_block_bytes + 1);
        Sha256Batch batch;
        batch.add(short_one, digest);
        batch.extend(midstate, rest.first(blocks * sha256_block_bytes));
        batch.run(engine);
        CHECK(digest == by_openssl(short_one));
      }
      CHECK(sha256(midstate, long_one.subspan(midstate.bytes)) == by_openssl(long_one));
    }
  }
}

TEST_CASE("a message hashed in pieces has the digest of the whole, and the stream starts anew") {
  SeededRng rng(6);
  const auto bytes = random_bytes(10'000, 7);
  Sha256Stream stream;
  for (int round = 0; round < 20; ++round) {
    const auto message = ByteView(bytes).first(rng.below(bytes.size() + 1));
    for (auto rest = message; !rest.empty();) {
      const auto piece = rest.first(1 + rng.below(rest.size()));
      stream.update(piece);
      rest = rest.subspan(piece.size());
    }
    CHECK(stream.finish() == by_openssl(message));
  }
  Sha256Stream moved = std::move(stream);
  moved.update(as_bytes("abc"));
  CHECK(moved.finish() == by_openssl(as_bytes("abc")));
}
