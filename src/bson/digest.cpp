#include "bson/digest.hpp"

#include <openssl/evp.h>

#include "base/check.hpp"

namespace holdfast::bson {

namespace {

constexpr std::size_t limb_bytes = 8;

}  // namespace

Digest256 Digest256::from_bytes(ByteView big_endian) {
  Digest256 number;
  for (std::size_t limb = 0; limb < 4; ++limb)
    number.limbs_[3 - limb] = load_be64(big_endian.data() + limb * limb_bytes);
  return number;
}

Result<Digest256> Digest256::parse(std::string_view hex) {
  if (hex.size() != 64)
    return fail(ErrorCode::malformed,
                "a digest has 64 hex digits, this has " + std::to_string(hex.size()));
  const Bytes bytes = TRY(from_hex(hex));
  return from_bytes(bytes);
}

Digest256& Digest256::operator+=(const Digest256& other) {
  std::uint64_t carry = 0;
  for (std::size_t limb = 0; limb < 4; ++limb) {
    const std::uint64_t partial = limbs_[limb] + carry;
    const std::uint64_t carried = partial < carry ? 1 : 0;
    limbs_[limb] = partial + other.limbs_[limb];
    carry = carried + (limbs_[limb] < partial ? 1 : 0);
  }
  return *this;
}

Digest256& Digest256::operator-=(const Digest256& other) {
  std::uint64_t borrow = 0;
  for (std::size_t limb = 0; limb < 4; ++limb) {
    const std::uint64_t before = limbs_[limb];
    const std::uint64_t partial = before - other.limbs_[limb];
    limbs_[limb] = partial - borrow;
    borrow = (partial > before ? 1 : 0) + (limbs_[limb] > partial ? 1 : 0);
  }
  return *this;
}

std::array<std::uint8_t, 32> Digest256::bytes() const {
  std::array<std::uint8_t, 32> out;
  for (std::size_t limb = 0; limb < 4; ++limb)
    store_be64(out.data() + limb * limb_bytes, limbs_[3 - limb]);
  return out;
}

std::string Digest256::hex() const {
  return to_hex(bytes());
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
  CHECK(EVP_DigestInit_ex2(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::restart() {
  CHECK(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
}

void Sha256::update(ByteView bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::array<std::uint8_t, 32> Sha256::finish() {
  std::array<std::uint8_t, 32> out;
  unsigned length = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), out.data(), &length) == 1);
  restart();
  return out;
}

std::array<std::uint8_t, 20> sha1_of(ByteView bytes) {
  std::array<std::uint8_t, 20> out;
  unsigned length = 0;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), &length, EVP_sha1(), nullptr) == 1);
  return out;
}

void ContentDigest::add(ByteView document) {
  digest_ += Digest256::from_bytes(sha_.of(document));
  bytes_ += document.size();
  ++count_;
}

void ContentDigest::subtract(ByteView document) {
  digest_ -= Digest256::from_bytes(sha_.of(document));
  bytes_ -= document.size();
  --count_;
}

void ContentDigest::clear() {
  digest_ = {};
  count_ = 0;
  bytes_ = 0;
}

}  // namespace holdfast::bson
