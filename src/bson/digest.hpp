#pragma once
// The content digest of a collection: the sum modulo 2^256 of the SHA-256 of each document's BSON
// bytes, both read as big-endian numbers. It does not depend on order, so it can be computed while
// reading, updated by adding and subtracting documents, and compared after a restore. The digest of
// nothing is zero. (The sum is no defence against chosen collisions; the repository's ids are.)
#include <array>
#include <memory>
#include <string>

#include "base/bytes.hpp"

struct evp_md_ctx_st;

namespace holdfast::bson {

// A number modulo 2^256. Value type.
class Digest256 {
 public:
  Digest256() = default;
  static Digest256 from_bytes(ByteView big_endian);  // REQUIRES: 32 bytes
  static Result<Digest256> parse(std::string_view hex);

  Digest256& operator+=(const Digest256& other);
  Digest256& operator-=(const Digest256& other);
  friend bool operator==(const Digest256&, const Digest256&) = default;

  std::array<std::uint8_t, 32> bytes() const;  // big-endian
  std::string hex() const;                     // 64 digits

 private:
  std::array<std::uint64_t, 4> limbs_{};  // least significant first
};

// SHA-256 with a context that is reused from call to call. One thread; move-only.
class Sha256 {
 public:
  Sha256();
  void update(ByteView bytes);
  std::array<std::uint8_t, 32> finish();  // and starts anew

  std::array<std::uint8_t, 32> of(ByteView bytes) {
    update(bytes);
    return finish();
  }

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  void restart();
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// SHA-1: only for names that other programs made with it.
std::array<std::uint8_t, 20> sha1_of(ByteView bytes);

// Count, bytes and digest of a set of documents. One thread; move-only.
class ContentDigest {
 public:
  void add(ByteView document);
  void subtract(ByteView document);

  const Digest256& digest() const { return digest_; }
  std::uint64_t count() const { return count_; }
  std::uint64_t bytes() const { return bytes_; }
  void clear();

 private:
  Sha256 sha_;
  Digest256 digest_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace holdfast::bson
