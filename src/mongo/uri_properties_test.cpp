// Whatever a password is, and however badly it is written down: nothing that is printed about its
// connection string holds three of its signs in a row.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/rng.hpp"
#include "mongo/uri.hpp"

namespace holdfast::mongo {
namespace {

// Letters and digits that no message of ours and no address below has, and signs that mean
// something in a connection string.
constexpr std::string_view letters = "QXZJK689";
constexpr std::string_view signs = "@:/?#&=%,;[]$ .'\"`";

std::string some_password(Rng& rng) {
  std::string password;
  for (std::uint64_t left = 3 + rng.below(12); left > 0; --left) {
    const std::string_view from = rng.below(3) == 0 ? signs : letters;
    password += from[static_cast<std::size_t>(rng.below(from.size()))];
  }
  return password;
}

std::string encoded(std::string_view password) {
  std::string out;
  for (const char letter : password) out += fmt::format("%{:02X}", static_cast<unsigned>(letter));
  return out;
}

// A run of three signs of which one is a letter: signs alone stand in every URI.
std::string leak_in(std::string_view told, std::string_view password) {
  for (std::size_t at = 0; at + 3 <= password.size(); ++at) {
    const std::string_view run = password.substr(at, 3);
    const bool has_letter = run.find_first_of(letters) != std::string_view::npos;
    if (has_letter && told.find(run) != std::string_view::npos) return std::string(run);
  }
  return {};
}

std::string told_of(std::string_view text) {
  const auto uri = Uri::parse(Secret(as_bytes(text)));
  return uri.has_value() ? uri->redacted() : describe(uri.error());
}

}  // namespace

TEST_CASE("No part of a password is told, whatever signs it has") {
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    SeededRng rng(seed);
    const std::string password = some_password(rng);
    for (const std::string_view form :
         {"mongodb://bob:{}@127.0.0.1:1/", "mongodb://bob:{}@127.0.0.1:1/shop?tls=true",
          "mongodb://bob:ab@{}@127.0.0.1:1/", "mongodb+srv://bob:{}@db.example.org/"}) {
      const std::string text = fmt::format(fmt::runtime(form), password);
      CAPTURE(text);
      CHECK(leak_in(told_of(text), password) == "");
    }
  }
}

TEST_CASE("A percent-encoded password is always taken, and not told") {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    SeededRng rng(seed);
    const std::string password = some_password(rng);
    const std::string text = fmt::format("mongodb://bob:{}@127.0.0.1:1/", encoded(password));
    CAPTURE(text);
    const auto uri = Uri::parse(Secret(as_bytes(text)));
    REQUIRE(uri.has_value());
    CHECK(uri->redacted() == "mongodb://bob:***@127.0.0.1:1/");
  }
}

}  // namespace holdfast::mongo
