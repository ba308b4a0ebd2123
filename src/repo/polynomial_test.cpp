#include "repo/polynomial.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace holdfast;
using namespace holdfast::repo;

namespace {

// By definition: no polynomial of lower degree but 1 divides it.
bool has_no_divisor(Polynomial candidate) {
  if (candidate.degree() < 1) return false;
  for (std::uint64_t divisor = 2; Polynomial{divisor}.degree() < candidate.degree(); ++divisor)
    if (remainder(candidate, Polynomial{divisor}).bits == 0) return false;
  return true;
}

}  // namespace

TEST_CASE("multiplication and division agree") {
  SeededRng rng(1);
  for (int round = 0; round < 1000; ++round) {
    const Polynomial left{rng.next() >> 40};
    const Polynomial right{rng.next() >> 40};
    const Polynomial rest{rng.next() >> 44};
    if (right.degree() <= rest.degree()) continue;
    const Polynomial huge{std::uint64_t{1} << 63};  // products of these never reach it
    const auto product = multiply(left, right, huge);
    CHECK(remainder(Polynomial{product.bits ^ rest.bits}, right) == rest);
    CHECK(multiply(left, right, huge) == multiply(right, left, huge));
  }
  CHECK(multiply(Polynomial{3}, Polynomial{3}, Polynomial{8}).bits == 5);  // (x+1)^2 = x^2 + 1
  CHECK(multiply(Polynomial{6}, Polynomial{5}, Polynomial{1}).bits == 0);
}

TEST_CASE("the greatest common divisor of two products with one factor in common is that factor") {
  const Polynomial huge{std::uint64_t{1} << 63};
  const Polynomial seven{7}, eleven{11}, nineteen{19};  // irreducible, degrees 2, 3, 4
  const auto left = multiply(seven, eleven, huge);
  const auto right = multiply(nineteen, eleven, huge);
  CHECK(gcd(left, right) == eleven);
  CHECK(gcd(Polynomial{0}, left) == left);
  CHECK(gcd(left, Polynomial{0}) == left);
  CHECK(gcd(seven, nineteen).bits == 1);
}

TEST_CASE("Ben-Or's test agrees with trial division for every polynomial below degree 12") {
  for (std::uint64_t bits = 0; bits < 4096; ++bits)
    CHECK(is_irreducible(Polynomial{bits}) == has_no_divisor(Polynomial{bits}));
}

TEST_CASE("Ben-Or's test knows the published examples") {
  for (const auto* hex : {"3da3358b4dc173", "25b468838dcb75", "7", "b"})
    CHECK(is_irreducible(Polynomial::parse(hex).value()));
  for (const auto* hex : {"3da3358b4dc171", "20000000000001", "3da3358b4dc175", "5"})
    CHECK_FALSE(is_irreducible(Polynomial::parse(hex).value()));
}

TEST_CASE("random polynomials are irreducible, of degree 53, and differ") {
  SeededRng rng(7);
  const auto first = random_irreducible(rng).value();
  const auto second = random_irreducible(rng).value();
  for (const auto polynomial : {first, second}) {
    CHECK(polynomial.degree() == 53);
    CHECK((polynomial.bits & 1) == 1);
    CHECK(is_irreducible(polynomial));
  }
  CHECK(first != second);
}

TEST_CASE("a source of chance that repeats itself ends the search") {
  class StuckRng final : public Rng {
   public:
    void fill(MutableByteView out) override { std::fill(out.begin(), out.end(), std::uint8_t{0}); }
  };
  StuckRng rng;
  CHECK(random_irreducible(rng).error().code == ErrorCode::limit_exceeded);
}

TEST_CASE("polynomials are written as in the config file and read back") {
  const auto polynomial = Polynomial::parse("3DA3358b4dc173").value();
  CHECK(polynomial.bits == 0x3da3358b4dc173);
  CHECK(polynomial.hex() == "3da3358b4dc173");
  for (const auto* bad : {"", "0x7", "-7", "7 ", "7g", "11112222333344445"})
    CHECK(Polynomial::parse(bad).error().code == ErrorCode::malformed);
}
