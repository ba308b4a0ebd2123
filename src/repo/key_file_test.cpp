#include "repo/key_file.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

constexpr ScryptCost cheap{16, 8, 1};  // tests of everything but the cost itself

Secret secret(std::string_view text) {
  return Secret(as_bytes(text));
}

std::string text_of(const Secret& from) {
  return std::string(as_text(from.reveal()));
}

nlohmann::json vectors() {
  const auto bytes = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  return nlohmann::json::parse(as_text(bytes));
}

bool same_key(const MasterKey& left, const MasterKey& right) {
  return left.encrypt == right.encrypt && left.mac_k == right.mac_k && left.mac_r == right.mac_r;
}

MasterKey counting_key() {
  MasterKey key;
  for (std::size_t at = 0; at < 32; ++at) key.encrypt[at] = static_cast<std::uint8_t>(at);
  for (std::size_t at = 0; at < 16; ++at) key.mac_k[at] = static_cast<std::uint8_t>(0x20 + at);
  for (std::size_t at = 0; at < 16; ++at) key.mac_r[at] = static_cast<std::uint8_t>(0x30 + at);
  return key;
}

std::string key_json(const std::string& n, const std::string& r, const std::string& p,
                     std::size_t salt_bytes = 64, const char* kdf = "scrypt") {
  return R"({"kdf":")" + std::string(kdf) + R"(","N":)" + n + R"(,"r":)" + r + R"(,"p":)" + p +
         R"(,"salt":")" + to_base64(Bytes(salt_bytes, 0)) + R"(","data":")" +
         to_base64(Bytes(160, 0)) + R"("})";
}

ErrorCode code_of(const auto& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error().code;
}

}  // namespace

TEST_CASE("the recorded derivation gives the recorded key") {
  const auto recorded = vectors()["scrypt"];
  const Bytes salt = from_hex(recorded["salt"].get<std::string>()).value();
  const ScryptCost cost{recorded["N"], recorded["r"], recorded["p"]};
  const auto password = recorded["password"].get<std::string>();
  const MasterKey key = derive_key(secret(password), salt, cost).value();
  CHECK(to_hex(key.encrypt) + to_hex(key.mac_k) + to_hex(key.mac_r) ==
        recorded["key64"].get<std::string>());
}

TEST_CASE("the recorded master key has the recorded JSON and is opened by the recorded password") {
  const auto all = vectors();
  const MasterKey key = counting_key();
  const auto json = all["key_file"]["master_json"].get<std::string>();
  CHECK(text_of(encode_master_key(key)) == json);
  CHECK(json.size() == 128);
  CHECK(same_key(decode_master_key(secret(json)).value(), key));

  KeyFile key_file;
  key_file.cost = {all["scrypt"]["N"], all["scrypt"]["r"], all["scrypt"]["p"]};
  key_file.salt = from_hex(all["scrypt"]["salt"].get<std::string>()).value();
  key_file.sealed_master = from_base64(all["key_file"]["data_base64"].get<std::string>()).value();
  const auto opened = open_key_file(key_file, secret(all["scrypt"]["password"].get<std::string>()));
  REQUIRE(opened.has_value());
  CHECK(same_key(*opened, key));
  CHECK(code_of(open_key_file(key_file, secret("guess"))) == ErrorCode::wrong_key);
}

TEST_CASE("a new key file opens with its password only, also after being stored") {
  SeededRng rng(3);
  const MasterKey master = make_master_key(rng).value();
  const KeyAuthor author{make_node_time(1500000000, 5, TimeOffset::utc), "ro<ot", "vm"};
  const auto made = make_key_file(master, secret("pass"), author, rng, cheap).value();
  const Bytes json = encode_key_file(made);
  CHECK(as_text(json).starts_with(
      R"({"created":"2017-07-14T02:40:00.000000005Z","username":"ro\u003cot","hostname":"vm",)"
      R"("kdf":"scrypt","N":16,"r":8,"p":1,"salt":")"));
  const auto read = decode_key_file(json).value();
  CHECK(read == made);
  CHECK(same_key(open_key_file(read, secret("pass")).value(), master));
  CHECK(code_of(open_key_file(read, secret("pass "))) == ErrorCode::wrong_key);
  CHECK(code_of(open_key_file(read, secret(""))) == ErrorCode::wrong_key);
}

TEST_CASE("two key files of one password have different salts and seals") {
  SeededRng rng(4);
  const MasterKey master = make_master_key(rng).value();
  const auto first = make_key_file(master, secret("pass"), {}, rng, cheap).value();
  const auto second = make_key_file(master, secret("pass"), {}, rng, cheap).value();
  CHECK(first.salt != second.salt);
  CHECK(first.sealed_master != second.sealed_master);
}

TEST_CASE("an empty password is a password") {
  SeededRng rng(5);
  const auto made = make_key_file(counting_key(), Secret(), {}, rng, cheap).value();
  CHECK(same_key(open_key_file(made, Secret()).value(), counting_key()));
  CHECK(code_of(open_key_file(made, secret("x"))) == ErrorCode::wrong_key);
}

TEST_CASE("key files without created, username and hostname are read, as rustic writes them") {
  const auto read = decode_key_file(as_bytes(key_json("131072", "8", "1"))).value();
  CHECK_FALSE(read.created.has_value());
  CHECK(read.cost == ScryptCost{131072, 8, 1});
}

TEST_CASE("costs that no honest key file has are refused before anything is computed") {
  for (const char* n : {"0", "1", "3", "100000", "4294967296", "18446744073709551615"})
    CHECK(code_of(decode_key_file(as_bytes(key_json(n, "8", "1")))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "0", "1")))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "8", "0")))) == ErrorCode::malformed);
  CHECK(decode_key_file(as_bytes(key_json("1048576", "8", "1"))).has_value());  // 1 GiB
  const auto limited = [](const char* n, const char* r, const char* p) {
    CHECK(code_of(decode_key_file(as_bytes(key_json(n, r, p)))) == ErrorCode::limit_exceeded);
  };
  limited("2097152", "8", "1");              // 2 GiB
  limited("1073741824", "4294967295", "1");  // r alone
  limited("2", "1", "4294967295");           // p alone
  limited("32768", "8", "4096");             // hours
  limited("2", "1073741823", "1");
}

TEST_CASE("key files that are not ours to open are refused with the reason") {
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "8", "1", 64, "argon2")))) ==
        ErrorCode::unsupported);
  CHECK(code_of(decode_key_file(as_bytes("{}"))) == ErrorCode::unsupported);
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "8", "1", 63)))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "8", "1", 65)))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(as_bytes("[]"))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(as_bytes(key_json("16", "8", "1") + "x"))) == ErrorCode::malformed);
  CHECK(code_of(decode_key_file(Bytes(key_file_bytes_max + 1))) == ErrorCode::limit_exceeded);
  KeyFile short_seal{{}, {}, {}, cheap, Bytes(64, 0), Bytes(31, 0)};
  CHECK(code_of(open_key_file(short_seal, secret("x"))) == ErrorCode::malformed);
}

TEST_CASE("master keys with a part missing, short or zero are refused") {
  const std::string part16 = to_base64(Bytes(16, 1));
  const std::string part32 = to_base64(Bytes(32, 1));
  const auto json = [&](const std::string& k, const std::string& r, const std::string& encrypt) {
    return R"({"mac":{"k":")" + k + R"(","r":")" + r + R"("},"encrypt":")" + encrypt + R"("})";
  };
  CHECK(decode_master_key(secret(json(part16, part16, part32))).has_value());
  CHECK_FALSE(decode_master_key(secret(json(part32, part16, part32))).has_value());
  CHECK_FALSE(decode_master_key(secret(json(part16, to_base64(Bytes(16, 0)), part32))).has_value());
  CHECK_FALSE(decode_master_key(secret(json(to_base64(Bytes(16, 0)), part16, part32))).has_value());
  CHECK_FALSE(decode_master_key(secret(json(part16, part16, to_base64(Bytes(32, 0))))).has_value());
  CHECK_FALSE(decode_master_key(secret(json(part16, part16, "?"))).has_value());
  CHECK_FALSE(decode_master_key(secret("{}")).has_value());
  CHECK_FALSE(decode_master_key(secret("")).has_value());
}

TEST_CASE("a broken source of chance gives no master key") {
  class ZeroRng final : public Rng {
   public:
    void fill(MutableByteView out) override { std::fill(out.begin(), out.end(), std::uint8_t{0}); }
  };
  ZeroRng zeros;
  CHECK_FALSE(make_master_key(zeros).has_value());
}

TEST_CASE("passwords from files lose white space at both ends and a byte order mark") {
  CHECK(text_of(trim_password(secret("pass word\n"))) == "pass word");
  CHECK(text_of(trim_password(secret("\xEF\xBB\xBF \t\r\v\fpass\r\n\n"))) == "pass");
  CHECK(text_of(trim_password(secret(" \n"))).empty());
  CHECK(text_of(trim_password(secret(""))).empty());
  CHECK(text_of(trim_password(secret("\xC2\xA0x"))) == "\xC2\xA0x");
}
