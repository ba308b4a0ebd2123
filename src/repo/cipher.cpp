#include "repo/cipher.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.hpp"
#include "repo/processor.hpp"

namespace holdfast::repo {
namespace {

// Encryption and authentication take turns on pieces that stay in the first-level cache.
constexpr std::size_t piece_bytes = std::size_t{16} << 10;

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
struct FreeMacContext {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMacContext>;
using Tag = std::array<std::uint8_t, seal_tag_bytes>;

bool is_same(const MasterKey& left, const MasterKey& right) {
  return CRYPTO_memcmp(left.encrypt.data(), right.encrypt.data(), left.encrypt.size()) == 0 &&
         CRYPTO_memcmp(left.mac_k.data(), right.mac_k.data(), left.mac_k.size()) == 0 &&
         CRYPTO_memcmp(left.mac_r.data(), right.mac_r.data(), left.mac_r.size()) == 0;
}

CipherContext make_cipher(const char* name) {
  CipherContext context(EVP_CIPHER_CTX_new());
  auto* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  CHECK(context != nullptr && cipher != nullptr);
  CHECK(EVP_EncryptInit_ex2(context.get(), cipher, nullptr, nullptr, nullptr) == 1);
  EVP_CIPHER_free(cipher);  // the context keeps its own reference
  return context;
}

MacContext make_poly1305() {
  auto* mac = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
  CHECK(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);
  CHECK(context != nullptr);
  return context;
}

// Bits that Poly1305 wants clear in its multiplier.
void clamp(std::uint8_t* r) {
  for (const auto i : {3u, 7u, 11u, 15u}) r[i] &= 0x0F;
  for (const auto i : {4u, 8u, 12u}) r[i] &= 0xFC;
}

// One thread's contexts, with the key schedules of the last key: expanding the keys again for each
// blob of a few KB would cost as much as sealing it.
class Engine {
 public:
  static Engine& of_this_thread() {
    thread_local Engine engine;
    return engine;
  }

  // For one message: the counter starts at the IV, the tag's one-time key is r || AES(k, IV).
  void begin(const MasterKey& key, const std::uint8_t* iv) {
    if (!has_key_ || !is_same(key_, key)) load(key);
    CHECK(EVP_EncryptInit_ex2(counter_mode_.get(), nullptr, nullptr, iv, nullptr) == 1);
    int written = 0;
    CHECK(EVP_EncryptUpdate(block_mode_.get(), one_time_key_.data() + 16, &written, iv, 16) == 1);
    CHECK(written == 16);
    CHECK(EVP_MAC_init(poly1305_.get(), one_time_key_.data(), one_time_key_.size(), nullptr) == 1);
  }

  // Encryption and decryption are the same. `out` may be `in`.
  void apply(ByteView in, std::uint8_t* out) {
    int written = 0;
    clear_upper_halves();
    CHECK(EVP_EncryptUpdate(counter_mode_.get(), out, &written, in.data(),
                            static_cast<int>(in.size())) == 1);
    CHECK(std::cmp_equal(written, in.size()));
  }

  void authenticate(ByteView piece) {
    CHECK(EVP_MAC_update(poly1305_.get(), piece.data(), piece.size()) == 1);
  }

  Tag finish_tag() {
    Tag tag;
    std::size_t written = 0;
    CHECK(EVP_MAC_final(poly1305_.get(), tag.data(), &written, tag.size()) == 1);
    CHECK(written == tag.size());
    return tag;
  }

  ~Engine() { OPENSSL_cleanse(one_time_key_.data(), one_time_key_.size()); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

 private:
  Engine() { EVP_CIPHER_CTX_set_padding(block_mode_.get(), 0); }

  void load(const MasterKey& key) {
    const auto expand = [](EVP_CIPHER_CTX* context, const std::uint8_t* from) {
      CHECK(EVP_EncryptInit_ex2(context, nullptr, from, nullptr, nullptr) == 1);
    };
    expand(counter_mode_.get(), key.encrypt.data());
    expand(block_mode_.get(), key.mac_k.data());
    std::copy(key.mac_r.begin(), key.mac_r.end(), one_time_key_.begin());
    clamp(one_time_key_.data());
    key_ = key;
    has_key_ = true;
  }

  CipherContext counter_mode_ = make_cipher("AES-256-CTR");
  CipherContext block_mode_ = make_cipher("AES-128-ECB");
  MacContext poly1305_ = make_poly1305();
  std::array<std::uint8_t, 32> one_time_key_{};
  MasterKey key_;
  bool has_key_ = false;
};

bool is_zero(ByteView iv) {
  return std::all_of(iv.begin(), iv.end(), [](std::uint8_t byte) { return byte == 0; });
}

// The ciphertext inside `sealed`, once its tag was found to fit.
Result<ByteView> authenticate(Engine& engine, const MasterKey& key, ByteView sealed) {
  if (sealed.size() < seal_overhead_bytes)
    return fail(ErrorCode::corrupt, fmt::format("{} sealed bytes are fewer than the {} of an empty "
                                                "message",
                                                sealed.size(), seal_overhead_bytes));
  if (is_zero(sealed.first(seal_iv_bytes)))
    return fail(ErrorCode::corrupt, "the IV of a sealed message is all zero");
  const auto ciphertext = sealed.subspan(seal_iv_bytes, sealed.size() - seal_overhead_bytes);
  engine.begin(key, sealed.data());
  engine.authenticate(ciphertext);
  const Tag tag = engine.finish_tag();
  if (CRYPTO_memcmp(tag.data(), sealed.last(seal_tag_bytes).data(), tag.size()) != 0)
    return fail(ErrorCode::corrupt,
                "a sealed message does not fit its tag: it was damaged, or "
                "sealed with another key");
  return ciphertext;
}

void decrypt(Engine& engine, ByteView ciphertext, std::uint8_t* plain) {
  for (; !ciphertext.empty();) {
    const auto piece = ciphertext.first(std::min(ciphertext.size(), piece_bytes));
    engine.apply(piece, plain);
    ciphertext = ciphertext.subspan(piece.size());
    plain += piece.size();
  }
}

}  // namespace

MasterKey::~MasterKey() {
  OPENSSL_cleanse(encrypt.data(), encrypt.size());
  OPENSSL_cleanse(mac_k.data(), mac_k.size());
  OPENSSL_cleanse(mac_r.data(), mac_r.size());
}

Result<void> seal_into(const MasterKey& key, const SealIv& iv, ByteView plain,
                       MutableByteView sealed) {
  CHECK(sealed.size() == plain.size() + seal_overhead_bytes);
  if (is_zero(iv)) return fail(ErrorCode::refused, "an all-zero IV seals nothing");
  auto& engine = Engine::of_this_thread();
  engine.begin(key, iv.data());
  std::uint8_t* out = sealed.data() + seal_iv_bytes;
  for (std::size_t at = 0; at < plain.size(); at += piece_bytes) {
    const auto piece = plain.subspan(at, std::min(piece_bytes, plain.size() - at));
    engine.apply(piece, out + at);
    engine.authenticate({out + at, piece.size()});
  }
  const Tag tag = engine.finish_tag();
  std::copy(iv.begin(), iv.end(), sealed.begin());
  std::copy(tag.begin(), tag.end(), sealed.last(seal_tag_bytes).begin());
  return {};
}

Result<void> open_into(const MasterKey& key, ByteView sealed, MutableByteView plain) {
  auto& engine = Engine::of_this_thread();
  const ByteView ciphertext = TRY(authenticate(engine, key, sealed));
  CHECK(plain.size() == ciphertext.size());
  decrypt(engine, ciphertext, plain.data());
  return {};
}

Result<MutableByteView> open_in_place(const MasterKey& key, MutableByteView sealed) {
  auto& engine = Engine::of_this_thread();
  const ByteView ciphertext = TRY(authenticate(engine, key, sealed));
  const auto plain = sealed.subspan(seal_iv_bytes, ciphertext.size());
  decrypt(engine, ciphertext, plain.data());
  return plain;
}

}  // namespace holdfast::repo
