#include "cli/option_range.hpp"

#include <doctest/doctest.h>

namespace holdfast::cli {

TEST_CASE("A size within its bounds is taken, both bounds included") {
  CHECK(size_within("--segment-size", "1K", {"1K", "8M"}).value() == 1024);
  CHECK(size_within("--segment-size", "8M", {"1K", "8M"}).value() == std::uint64_t{8} << 20);
}

TEST_CASE("A value out of bounds is refused, with the option and what is allowed") {
  for (const auto* text : {"0", "1023", "16M"}) {
    const auto size = size_within("--segment-size", text, {"1K", "8M"});
    REQUIRE_FALSE(size.has_value());
    CHECK(size.error().code == ErrorCode::usage);
    CHECK(size.error().message ==
          std::string("--segment-size ") + text + ": allowed is from 1K to 8M");
  }
  for (const auto* text : {"0s", "99ms", "2h"})
    CHECK(span_within("--segment-age", text, {"100ms", "1h"}).error().code == ErrorCode::usage);
}

TEST_CASE("What is no size or span is refused as such, and the option is named") {
  const auto span = span_within("--segment-age", "soon", {"100ms", "1h"});
  REQUIRE_FALSE(span.has_value());
  CHECK(describe(span.error()).find("--segment-age") != std::string::npos);
}

}  // namespace holdfast::cli
