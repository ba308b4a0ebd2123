#pragma once
// Bytes that are wiped when they go out of scope, and that nothing can print.
#include <openssl/crypto.h>

#include "base/bytes.hpp"

namespace holdfast {

// Move-only. There is no operator<<, no formatter and no implicit conversion, on purpose.
class Secret {
 public:
  Secret() = default;
  explicit Secret(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) {}
  Secret& operator=(Secret&& other) noexcept {
    wipe();
    bytes_ = std::move(other.bytes_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(); }

  ByteView reveal() const { return bytes_; }
  MutableByteView reveal() { return bytes_; }
  Secret copy() const { return Secret(bytes_); }

 private:
  void wipe() {
    if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
    bytes_.clear();
  }
  Bytes bytes_;
};

}  // namespace holdfast
