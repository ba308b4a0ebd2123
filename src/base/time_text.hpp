#pragma once
// RFC 3339 as the repository format writes it (formats/repository.md A9 "Time strings").
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace holdfast {

enum class TimeOffset : std::uint8_t { utc, local };

// Up to nine fraction digits, trailing zeros cut; "Z" or "+hh:mm" valid at that instant. Years are
// clamped to 0..9999. Seconds and nanoseconds apart, because stat times exceed WallTime's range.
std::string format_time(std::int64_t seconds, std::uint32_t nanoseconds,
                        TimeOffset offset = TimeOffset::utc);
std::string format_time(WallTime time, TimeOffset offset = TimeOffset::utc);

// The offset of the machine's time zone valid at that instant, in seconds east of UTC.
std::int32_t local_offset_seconds(std::int64_t seconds);

struct ParsedTime {
  std::int64_t seconds = 0;  // since 1970, may be negative
  std::uint32_t nanoseconds = 0;
};
// Accepts 0..9 fraction digits, 'Z' or an offset, lower case 't' and 'z'.
Result<ParsedTime> parse_time(std::string_view text);

}  // namespace holdfast
