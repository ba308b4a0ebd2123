#include "repo/config_file.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace holdfast::repo;

namespace {

const std::string id_text(64, 'a');

std::string config_json(const std::string& version, const std::string& polynomial,
                        const std::string& more = {}) {
  return R"({"version":)" + version + R"(,"id":")" + id_text + R"(","chunker_polynomial":")" +
         polynomial + "\"" + more + "}";
}

ErrorCode code_of(const std::string& json) {
  const auto config = decode_config(as_bytes(json));
  REQUIRE_FALSE(config.has_value());
  return config.error().code;
}

}  // namespace

TEST_CASE("a new config is written as restic writes it and read again") {
  SeededRng rng(1);
  const ConfigFile config = make_config(rng).value();
  const Bytes json = encode_config(config);
  CHECK(json.size() == 123);  // 155 with its seal
  CHECK(as_text(json) == R"({"version":2,"id":")" + config.id.hex() +
                             R"(","chunker_polynomial":")" + config.chunker_polynomial.hex() +
                             "\"}");
  CHECK(decode_config(json).value() == config);
  const ConfigFile other = make_config(rng).value();
  CHECK(other.id != config.id);
  CHECK(other.chunker_polynomial != config.chunker_polynomial);
}

TEST_CASE("both versions of the format are known, later ones not") {
  CHECK(decode_config(as_bytes(config_json("1", "3da3358b4dc173")))->version == FormatVersion::v1);
  CHECK(decode_config(as_bytes(config_json("2", "3da3358b4dc173")))->version == FormatVersion::v2);
  CHECK(code_of(config_json("3", "3da3358b4dc173")) == ErrorCode::unsupported);
  CHECK(code_of(config_json("0", "3da3358b4dc173")) == ErrorCode::malformed);
}

TEST_CASE("a polynomial that can not cut is refused") {
  CHECK(code_of(config_json("2", "3da3358b4dc171")) == ErrorCode::corrupt);  // reducible
  CHECK(code_of(config_json("2", "7")) == ErrorCode::corrupt);               // of degree 2
  CHECK(code_of(config_json("2", "")) == ErrorCode::malformed);
  CHECK(code_of(config_json("2", "xyz")) == ErrorCode::malformed);
}

TEST_CASE("members of rustic are honoured or kept") {
  const std::string json = config_json("2", "3da3358b4dc173",
                                       R"(,"is_hot":true,"append_only":true,"compression":-3,)"
                                       R"("treepack_size":4194304,"x":{"y":1.5})");
  const ConfigFile config = decode_config(as_bytes(json)).value();
  CHECK(config.is_hot);
  CHECK(config.append_only);
  CHECK(config.compression == -3);
  CHECK(config.other ==
        std::vector<RawMember>{{"treepack_size", "4194304"}, {"x", R"({"y":1.5})"}});
  CHECK(as_text(encode_config(config)) == json);
}

TEST_CASE("malformed configs are refused") {
  for (const std::string& json :
       {std::string(), std::string("{}"), std::string("[]"),
        config_json("2", "3da3358b4dc173") + "x", config_json("\"2\"", "3da3358b4dc173"),
        config_json("2", "3da3358b4dc173", R"(,"compression":5000)"),
        config_json("2", "3da3358b4dc173", R"(,"id":"ab")"),
        std::string(R"({"version":2,"chunker_polynomial":"3da3358b4dc173"})")})
    CHECK(code_of(json) == ErrorCode::malformed);
  CHECK(code_of(std::string(config_json_bytes_max + 1, ' ')) == ErrorCode::limit_exceeded);
}
