#pragma once
// CRC-64 with the ECMA-182 polynomial in its reflected form, as archives of mongodump carry it.
#include "base/bytes.hpp"

namespace holdfast::dataset {

// Value type. The checksum of nothing is 0.
class Crc64 {
 public:
  void update(ByteView bytes);
  std::uint64_t value() const { return ~state_; }

 private:
  std::uint64_t state_ = ~std::uint64_t{0};
};

}  // namespace holdfast::dataset
