#pragma once
// Polynomials over GF(2) of degree up to 63, as the chunker needs them
// (docs/repository_format.md A10). Bit i of `bits` is the coefficient of x^i; addition is XOR.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/rng.hpp"

namespace holdfast::repo {

struct Polynomial {
  std::uint64_t bits = 0;

  friend auto operator<=>(const Polynomial&, const Polynomial&) = default;

  int degree() const;       // -1 for the zero polynomial
  std::string hex() const;  // as in the config file: lower case, no 0x, no leading zeros

  // Errors: malformed unless 1..16 hex digits of either case.
  static Result<Polynomial> parse(std::string_view hex);
};

// The degree that the format demands of a repository's polynomial.
constexpr int chunker_polynomial_degree = 53;

// The remainder of `value` divided by `modulus`. REQUIRES: modulus is not zero.
Polynomial remainder(Polynomial value, Polynomial modulus);

// (left * right) mod modulus. REQUIRES: modulus is not zero.
Polynomial multiply(Polynomial left, Polynomial right, Polynomial modulus);

// The greatest common divisor; gcd(0, p) = p.
Polynomial gcd(Polynomial left, Polynomial right);

// Ben-Or's test: p of degree n is irreducible exactly if, for i = 1..n/2, it shares no factor with
// x^(2^i) - x, the product of all irreducible polynomials whose degree divides i.
bool is_irreducible(Polynomial candidate);

// A uniformly random irreducible polynomial of degree 53 with constant term 1. About one candidate
// in 27 passes; limit_exceeded after 100,000 (a broken source of chance).
Result<Polynomial> random_irreducible(Rng& rng);

}  // namespace holdfast::repo
