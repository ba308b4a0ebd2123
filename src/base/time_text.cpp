#include "base/time_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

namespace holdfast {
namespace {

constexpr std::int64_t seconds_of_year_0 = -62167219200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t seconds_of_year_10000 = 253402300800;

// Offset of local time at that instant, in seconds east of Greenwich.
long local_offset_at(std::int64_t seconds) {
  const std::time_t when = static_cast<std::time_t>(seconds);
  std::tm local{};
  localtime_r(&when, &local);
  return local.tm_gmtoff;
}

std::string format_fraction(std::uint32_t nanoseconds) {
  if (nanoseconds == 0) return {};
  std::string digits = fmt::format(".{:09}", nanoseconds);
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

std::string format_offset(long offset) {
  if (offset == 0) return "Z";
  const long minutes = std::labs(offset) / 60;
  return fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

struct Cursor {
  std::string_view text;
  std::size_t at = 0;

  bool digits(std::size_t count, std::int64_t& value) {
    if (at + count > text.size()) return false;
    value = 0;
    for (std::size_t end = at + count; at < end; ++at) {
      if (text[at] < '0' || text[at] > '9') return false;
      value = value * 10 + (text[at] - '0');
    }
    return true;
  }
  bool literal(char expected) {
    if (at >= text.size()) return false;
    const bool upper = text[at] >= 'A' && text[at] <= 'Z';
    if ((upper ? text[at] + ('a' - 'A') : text[at]) != expected) return false;
    ++at;
    return true;
  }
};

bool parse_fraction(Cursor& cursor, std::uint32_t& nanoseconds) {
  if (!cursor.literal('.')) return true;
  std::uint32_t scale = 100'000'000;
  const std::size_t start = cursor.at;
  while (cursor.at < cursor.text.size() && cursor.at - start < 9) {
    const char digit = cursor.text[cursor.at];
    if (digit < '0' || digit > '9') break;
    nanoseconds += static_cast<std::uint32_t>(digit - '0') * scale;
    scale /= 10;
    ++cursor.at;
  }
  return cursor.at > start;
}

bool parse_offset(Cursor& cursor, std::int64_t& offset) {
  if (cursor.literal('z')) return true;
  const bool east = cursor.at < cursor.text.size() && cursor.text[cursor.at] == '+';
  const bool west = cursor.at < cursor.text.size() && cursor.text[cursor.at] == '-';
  std::int64_t hours = 0;
  std::int64_t minutes = 0;
  if (!east && !west) return false;
  ++cursor.at;
  if (!cursor.digits(2, hours) || !cursor.literal(':') || !cursor.digits(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  offset = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
  return true;
}

}  // namespace

std::string format_time(std::int64_t seconds, std::uint32_t nanoseconds, TimeOffset offset) {
  const std::int64_t clamped = std::clamp(seconds, seconds_of_year_0, seconds_of_year_10000 - 1);
  const long east = offset == TimeOffset::local ? local_offset_at(clamped) : 0;
  const std::time_t shifted = static_cast<std::time_t>(clamped + east);
  std::tm parts{};
  gmtime_r(&shifted, &parts);
  const int year = std::clamp(parts.tm_year + 1900, 0, 9999);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}{}", year, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     format_fraction(nanoseconds), format_offset(east));
}

std::string format_time(WallTime time, TimeOffset offset) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return format_time(seconds.time_since_epoch().count(),
                     static_cast<std::uint32_t>((time - seconds).count()), offset);
}

std::int32_t local_offset_seconds(std::int64_t seconds) {
  const auto clamped = std::clamp(seconds, seconds_of_year_0, seconds_of_year_10000 - 1);
  return static_cast<std::int32_t>(local_offset_at(clamped));
}

Result<ParsedTime> parse_time(std::string_view text) {
  Cursor cursor{text};
  std::int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
  ParsedTime parsed;
  const bool fits = cursor.digits(4, year) && cursor.literal('-') && cursor.digits(2, month) &&
                    cursor.literal('-') && cursor.digits(2, day) && cursor.literal('t') &&
                    cursor.digits(2, hour) && cursor.literal(':') && cursor.digits(2, minute) &&
                    cursor.literal(':') && cursor.digits(2, second) &&
                    parse_fraction(cursor, parsed.nanoseconds) && parse_offset(cursor, offset) &&
                    cursor.at == text.size();
  const bool in_range = month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 60;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!fits || !in_range || !date.ok())
    return fail(ErrorCode::malformed,
                fmt::format("\"{}\" is not an RFC 3339 time", text.substr(0, 64)));
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  parsed.seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - offset;
  return parsed;
}

}  // namespace holdfast
