#include "bson/decimal_digits.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace holdfast::bson {

namespace {

__extension__ using Wide = unsigned __int128;

// Base 10^9, least significant limb first. 86 limbs hold 2^53 x 5^1074, the longest double.
class BigDecimal {
 public:
  explicit BigDecimal(std::uint64_t value) {
    while (value != 0) {
      limbs_[count_++] = static_cast<std::uint32_t>(value % limb_base);
      value /= limb_base;
    }
  }

  void multiply(std::uint32_t factor) {
    std::uint64_t carry = 0;
    for (std::size_t at = 0; at < count_; ++at) {
      const std::uint64_t product = std::uint64_t{limbs_[at]} * factor + carry;
      limbs_[at] = static_cast<std::uint32_t>(product % limb_base);
      carry = product / limb_base;
    }
    while (carry != 0 && count_ < limbs_.size()) {
      limbs_[count_++] = static_cast<std::uint32_t>(carry % limb_base);
      carry /= limb_base;
    }
  }

  // Multiplies by base^power, `chunk` being the largest step base^chunk_power that fits 32 bits.
  void multiply_power(std::uint32_t base, unsigned power, std::uint32_t chunk,
                      unsigned chunk_power) {
    for (; power >= chunk_power; power -= chunk_power) multiply(chunk);
    for (; power > 0; --power) multiply(base);
  }

  void write_digits(DecimalDigits& out) const {
    for (std::size_t at = count_; at-- > 0;) {
      std::uint32_t rest = limbs_[at];
      std::array<std::uint8_t, limb_digits> digits;
      for (std::size_t place = limb_digits; place-- > 0;) {
        digits[place] = static_cast<std::uint8_t>(rest % 10);
        rest /= 10;
      }
      for (const std::uint8_t digit : digits) {
        if (out.count != 0 || digit != 0) out.digits[out.count++] = digit;
      }
    }
  }

 private:
  static constexpr std::uint32_t limb_base = 1'000'000'000;
  static constexpr std::size_t limb_digits = 9;
  static constexpr std::size_t limb_count_max = 88;
  static_assert(limb_count_max * limb_digits <= DecimalDigits::digits_max);

  std::array<std::uint32_t, limb_count_max> limbs_;
  std::size_t count_ = 0;
};

template <class T>
void write_digits(T value, DecimalDigits& out) {
  std::uint32_t count = 0;
  for (; value != 0; value /= 10) out.digits[count++] = static_cast<std::uint8_t>(value % 10);
  std::reverse(out.digits.begin(), out.digits.begin() + count);
  out.count = count;
}

// The digits in `out` are an integer that is to be multiplied by 10^power.
void finish(int power, DecimalDigits& out) {
  out.exponent = static_cast<std::int32_t>(out.count) + power;
  while (out.count > 0 && out.digits[out.count - 1] == 0) --out.count;
}

void expand_integer(std::int64_t value, DecimalDigits& out) {
  out.negative = value < 0;
  const auto bits = static_cast<std::uint64_t>(value);
  write_digits(out.negative ? 0 - bits : bits, out);
  finish(0, out);
}

// value = mantissa x 2^-halvings = mantissa x 5^halvings / 10^halvings
void expand_fraction(std::uint64_t mantissa, unsigned halvings, DecimalDigits& out) {
  constexpr unsigned halvings_fast_max = 27;  // 5^27 < 2^63
  if (halvings <= halvings_fast_max) {
    std::uint64_t power = 1;
    for (unsigned step = 0; step < halvings; ++step) power *= 5;
    write_digits(Wide{mantissa} * power, out);
  } else {
    BigDecimal number(mantissa);
    number.multiply_power(5, halvings, 1'220'703'125, 13);
    number.write_digits(out);
  }
  finish(-static_cast<int>(halvings), out);
}

void expand_double(double value, DecimalDigits& out) {
  if (std::isnan(value)) {
    out.number_class = NumberClass::not_a_number;
    return;
  }
  if (std::isinf(value)) {
    out.number_class = value > 0 ? NumberClass::plus_infinity : NumberClass::minus_infinity;
    return;
  }
  if (value == 0) return;
  out.negative = value < 0;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t fraction_mask = (std::uint64_t{1} << 52) - 1;
  const int biased = static_cast<int>((bits >> 52) & 0x7FF);
  std::uint64_t mantissa = bits & fraction_mask;
  if (biased != 0) mantissa |= fraction_mask + 1;
  int exponent = (biased == 0 ? 1 : biased) - 1075;
  const auto zeros = static_cast<unsigned>(std::countr_zero(mantissa));
  mantissa >>= zeros;
  exponent += static_cast<int>(zeros);
  if (exponent < 0) return expand_fraction(mantissa, static_cast<unsigned>(-exponent), out);
  if (exponent + static_cast<int>(std::bit_width(mantissa)) <= 64) {
    write_digits(mantissa << exponent, out);
  } else {
    BigDecimal number(mantissa);
    number.multiply_power(2, static_cast<unsigned>(exponent), std::uint32_t{1} << 31, 31);
    number.write_digits(out);
  }
  finish(0, out);
}

// IEEE 754-2008 decimal128, binary integer encoding.
void expand_decimal128(const std::uint8_t* at, DecimalDigits& out) {
  const auto low = load_le<std::uint64_t>(at);
  const auto high = load_le<std::uint64_t>(at + 8);
  out.negative = (high >> 63) != 0;
  const unsigned combination = (high >> 58) & 0x1F;
  if (combination == 0x1F) {
    out.number_class = NumberClass::not_a_number;
    return;
  }
  if (combination == 0x1E) {
    out.number_class = out.negative ? NumberClass::minus_infinity : NumberClass::plus_infinity;
    return;
  }
  // The large-coefficient form and coefficients from 10^34 on are not canonical: value zero.
  constexpr Wide ten_to_17 = 100'000'000'000'000'000;
  constexpr Wide coefficient_limit = ten_to_17 * ten_to_17;
  constexpr std::uint64_t coefficient_mask = (std::uint64_t{1} << 49) - 1;
  constexpr int exponent_bias = 6176;
  const Wide coefficient = (Wide{high & coefficient_mask} << 64) | low;
  if (((high >> 61) & 3) == 3 || coefficient >= coefficient_limit) return;
  write_digits(coefficient, out);
  finish(static_cast<int>((high >> 49) & 0x3FFF) - exponent_bias, out);
}

}  // namespace

void expand_decimal(const Value& value, DecimalDigits& out) {
  out.number_class = NumberClass::finite;
  out.negative = false;
  out.exponent = 0;
  out.count = 0;
  switch (value.type) {
    case Type::int32:
      return expand_integer(value.as_int32(), out);
    case Type::int64:
      return expand_integer(value.as_int64(), out);
    case Type::decimal128:
      return expand_decimal128(value.bytes.data(), out);
    default:
      return expand_double(value.as_double(), out);
  }
}

}  // namespace holdfast::bson
