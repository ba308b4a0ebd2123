// Configs: decode, encode, decode; an accepted polynomial is one that the chunker can use.
#include "base/check.hpp"
#include "repo/config_file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto config = decode_config({bytes, size});
  if (!config.has_value()) return 0;
  CHECK(config->chunker_polynomial.degree() == chunker_polynomial_degree);
  const Bytes json = encode_config(*config);
  const auto again = decode_config(json);
  CHECK(again.has_value() && *again == *config);
  CHECK(encode_config(*again) == json);
  return 0;
}
