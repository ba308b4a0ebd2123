#pragma once
// Sizes and spans on the command line that make sense only within bounds. CLI::Range does the same
// for plain numbers.
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace holdfast::cli {

// Bounds as a person types them; both are allowed.
struct TextRange {
  std::string_view least;
  std::string_view most;
};

// Error usage, naming the option and what is allowed.
Result<std::uint64_t> size_within(std::string_view option, std::string_view text, TextRange range);
Result<Duration> span_within(std::string_view option, std::string_view text, TextRange range);

}  // namespace holdfast::cli
