#pragma once
// The exact decimal digits of a number of any BSON type, as the key encoding needs them
// (docs/oplog_format.md 8.4). Bounded: a double has at most 767 significant digits.
#include <array>

#include "bson/view.hpp"

namespace holdfast::bson {

enum class NumberClass : std::uint8_t { not_a_number, minus_infinity, finite, plus_infinity };

// |value| = 0.d1 d2 d3 ... x 10^exponent with d1 != 0 and no trailing zeros; no digits for zero.
// Plain value on the stack.
struct DecimalDigits {
  static constexpr std::size_t digits_max = 800;

  NumberClass number_class = NumberClass::finite;
  bool negative = false;
  std::int32_t exponent = 0;
  std::uint32_t count = 0;
  std::array<std::uint8_t, digits_max> digits;  // values 0..9
};

// REQUIRES: an int32, int64, double or decimal128 value.
void expand_decimal(const Value& value, DecimalDigits& out);

}  // namespace holdfast::bson
