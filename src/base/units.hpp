#pragma once
// Sizes and spans as a person types them.
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace holdfast {

// "512", "64K", "16 MiB", "1.5GB": suffixes K M G T, with or without B or iB, all powers of 1024.
Result<std::uint64_t> parse_size(std::string_view text);

// "90s", "10m", "1h30m", "2d", "1w": one or more number-unit pairs; units s m h d w, and ms.
Result<Duration> parse_span(std::string_view text);

}  // namespace holdfast
