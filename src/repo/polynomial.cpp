#include "repo/polynomial.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <utility>

namespace holdfast::repo {
namespace {

constexpr int candidates_max = 100'000;
constexpr std::size_t hex_digits_max = 16;

}  // namespace

int Polynomial::degree() const {
  return 63 - std::countl_zero(bits);
}

std::string Polynomial::hex() const {
  return fmt::format("{:x}", bits);
}

Result<Polynomial> Polynomial::parse(std::string_view hex) {
  Polynomial parsed;
  const auto* end = hex.data() + hex.size();
  const auto [stopped, error] = std::from_chars(hex.data(), end, parsed.bits, 16);
  if (hex.size() > hex_digits_max || error != std::errc{} || stopped != end)
    return fail(ErrorCode::malformed, "a polynomial has 1 to 16 hex digits and nothing else");
  return parsed;
}

Polynomial remainder(Polynomial value, Polynomial modulus) {
  const int degree = modulus.degree();
  while (value.degree() >= degree) value.bits ^= modulus.bits << (value.degree() - degree);
  return value;
}

// Horner's rule: the product is (..(l_n*r * x + l_(n-1)*r) * x + ..). The running sum is kept below
// the modulus, so that one shift can carry it at most to the modulus' own degree.
Polynomial multiply(Polynomial left, Polynomial right, Polynomial modulus) {
  const std::uint64_t top = std::uint64_t{1} << modulus.degree();
  right = remainder(right, modulus);
  std::uint64_t sum = 0;
  for (int bit = left.degree(); bit >= 0; --bit) {
    const bool carries = modulus.degree() == 0 || (sum & (top >> 1)) != 0;
    sum <<= 1;
    if (carries) sum = remainder(Polynomial{sum ^ modulus.bits}, modulus).bits;
    if ((left.bits >> bit) & 1) sum ^= right.bits;
  }
  return Polynomial{sum};
}

Polynomial gcd(Polynomial left, Polynomial right) {
  while (left.bits != 0) right = std::exchange(left, remainder(right, left));
  return right;
}

bool is_irreducible(Polynomial candidate) {
  if (candidate.degree() < 1) return false;
  constexpr Polynomial x{2};
  Polynomial power = remainder(x, candidate);  // x^(2^i) mod candidate
  for (int i = 1; i <= candidate.degree() / 2; ++i) {
    power = multiply(power, power, candidate);
    const auto difference = remainder(Polynomial{power.bits ^ x.bits}, candidate);
    if (gcd(difference, candidate).degree() != 0) return false;
  }
  return true;
}

Result<Polynomial> random_irreducible(Rng& rng) {
  constexpr auto top = std::uint64_t{1} << chunker_polynomial_degree;
  for (int candidate = 0; candidate < candidates_max; ++candidate) {
    const Polynomial polynomial{(rng.next() & (top - 1)) | top | 1};
    if (is_irreducible(polynomial)) return polynomial;
  }
  return fail(ErrorCode::limit_exceeded,
              fmt::format("no irreducible polynomial among {} random ones", candidates_max));
}

}  // namespace holdfast::repo
