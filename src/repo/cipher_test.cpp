#include "repo/cipher.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "base/file.hpp"
#include "base/rng.hpp"
#include "base/task_group.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

template <std::size_t size>
std::array<std::uint8_t, size> array_of(const std::string& hex) {
  const auto bytes = from_hex(hex).value();
  REQUIRE(bytes.size() == size);
  std::array<std::uint8_t, size> array;
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

MasterKey random_key(Rng& rng) {
  MasterKey key;
  rng.fill(key.encrypt);
  rng.fill(key.mac_k);
  rng.fill(key.mac_r);
  return key;
}

Bytes sealed_with(const MasterKey& key, const SealIv& iv, ByteView plain) {
  Bytes sealed(plain.size() + seal_overhead_bytes);
  REQUIRE(seal_into(key, iv, plain, sealed).has_value());
  return sealed;
}

Result<Bytes> opened_with(const MasterKey& key, ByteView sealed) {
  Bytes plain(std::max(sealed.size(), seal_overhead_bytes) - seal_overhead_bytes);
  TRY(open_into(key, sealed, plain));
  return plain;
}

void check_recorded(const nlohmann::json& recorded, const MasterKey& key) {
  const auto text = [&](const char* name) { return recorded[name].get<std::string>(); };
  const auto plain = from_hex(text("plain")).value();
  const auto sealed = from_hex(text("sealed")).value();
  CHECK(sealed_with(key, array_of<16>(text("nonce")), plain) == sealed);
  CHECK(opened_with(key, sealed).value() == plain);
}

}  // namespace

TEST_CASE("recorded messages are sealed and opened as restic does, with r clamped or not") {
  const auto bytes = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  const auto vectors = nlohmann::json::parse(as_text(bytes));
  const auto& first = vectors["seal"][0];
  for (const auto* r : {"r_unmasked", "r_masked"}) {
    const MasterKey key{.encrypt = array_of<32>(first["encrypt"].get<std::string>()),
                        .mac_k = array_of<16>(first["k"].get<std::string>()),
                        .mac_r = array_of<16>(first[r].get<std::string>())};
    for (const auto& recorded : vectors["seal"]) check_recorded(recorded, key);
    check_recorded(vectors["seal_counter_wrap"], key);
  }
}

TEST_CASE("what was sealed opens again at every size around blocks and pieces") {
  SeededRng rng(1);
  const auto key = random_key(rng);
  for (const std::size_t size : {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 255u, 16383u, 16384u, 16385u,
                                 16400u, 32768u, 100'000u}) {
    Bytes plain(size);
    rng.fill(plain);
    SealIv iv;
    rng.fill(iv);
    const auto sealed = sealed_with(key, iv, plain);
    CHECK(opened_with(key, sealed).value() == plain);

    Bytes in_place(size + seal_overhead_bytes);
    std::copy(plain.begin(), plain.end(), in_place.begin() + seal_iv_bytes);
    const auto inside = ByteView(in_place).subspan(seal_iv_bytes, size);
    REQUIRE(seal_into(key, iv, inside, in_place).has_value());
    CHECK(in_place == sealed);
    const auto opened = open_in_place(key, in_place).value();
    CHECK(to_bytes(opened) == plain);
    CHECK(opened.data() == in_place.data() + seal_iv_bytes);
  }
}

TEST_CASE("a message of many pieces has the ciphertext of one piece where they overlap") {
  SeededRng rng(2);
  const auto key = random_key(rng);
  SealIv iv;
  rng.fill(iv);
  Bytes plain(3'000'001);
  rng.fill(plain);
  const auto whole = sealed_with(key, iv, plain);
  // Counter mode: any prefix of the message has the same ciphertext.
  const auto prefix = sealed_with(key, iv, ByteView(plain).first(1000));
  CHECK(std::equal(prefix.begin(), prefix.begin() + 1016, whole.begin()));
  CHECK(opened_with(key, whole).value() == plain);
}

TEST_CASE("any flipped bit, a wrong key or a missing byte is noticed and nothing is decrypted") {
  SeededRng rng(3);
  const auto key = random_key(rng);
  SealIv iv;
  rng.fill(iv);
  const auto sealed = sealed_with(key, iv, as_bytes("the quick brown fox jumps over the lazy dog"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto damaged = sealed;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ (1u << (bit % 8)));
    const auto before = damaged;
    CHECK(open_in_place(key, damaged).error().code == ErrorCode::corrupt);
    CHECK(damaged == before);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    CHECK(opened_with(key, ByteView(sealed).first(size)).error().code == ErrorCode::corrupt);

  auto other = key;
  other.mac_k[0] ^= 1;
  CHECK(opened_with(other, sealed).error().code == ErrorCode::corrupt);
  other = key;
  other.mac_r[0] ^= 1;
  CHECK(opened_with(other, sealed).error().code == ErrorCode::corrupt);
}

TEST_CASE("an all-zero IV is refused in both directions") {
  SeededRng rng(4);
  const auto key = random_key(rng);
  Bytes sealed(1 + seal_overhead_bytes, std::uint8_t{0});
  CHECK(seal_into(key, SealIv{}, as_bytes("a"), sealed).error().code == ErrorCode::refused);
  CHECK(opened_with(key, sealed).error().message == "the IV of a sealed message is all zero");
}

TEST_CASE("threads and keys that take turns do not disturb each other") {
  SeededRng rng(5);
  const auto first = random_key(rng), second = random_key(rng);
  Bytes plain(5000);
  rng.fill(plain);
  SealIv iv;
  rng.fill(iv);
  const auto by_first = sealed_with(first, iv, plain), by_second = sealed_with(second, iv, plain);
  CHECK(by_first != by_second);
  const auto seal_in_turns = [&](int& wrong) {
    Bytes sealed(plain.size() + seal_overhead_bytes);
    for (int round = 0; round < 100; ++round) {
      const bool is_first = round % 3 != 0;
      const auto result = seal_into(is_first ? first : second, iv, plain, sealed);
      if (!result.has_value() || sealed != (is_first ? by_first : by_second)) ++wrong;
    }
  };
  std::vector<int> wrong(3, 0);
  TaskGroup group;
  for (auto& count : wrong)
    group.start([&seal_in_turns, &count](std::stop_token) -> Result<void> {
      seal_in_turns(count);
      return {};
    });
  REQUIRE(group.wait().has_value());
  CHECK(wrong == std::vector<int>{0, 0, 0});
}
