#include "repo/node_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

namespace holdfast::repo {
namespace {

constexpr std::int64_t day_seconds = 86400;
constexpr std::uint32_t second_nanoseconds = 1'000'000'000;

struct Date {
  std::int64_t year = 0;
  unsigned month = 1, day = 1;
};

// Days since 1970-01-01 and back, for any year: std::chrono's calendar ends at year 32767, and
// file systems hand out whatever 64 bits they have.
std::int64_t days_of(Date date) {
  const std::int64_t year = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t month = (date.month + 9) % 12;
  const std::int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

Date date_of(std::int64_t days) {
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day_of_year + 2) / 153;
  Date date;
  date.day = static_cast<unsigned>(day_of_year - (153 * month + 2) / 5 + 1);
  date.month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
  date.year = year_of_era + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

// What restic does to years that RFC 3339 can not write: the year is moved, the rest stays.
Date representable(Date date) {
  if (date.year >= 0 && date.year <= 9999) return date;
  date.year = date.year < 0 ? 0 : 9999;
  return date_of(days_of(date));  // 29 February becomes 1 March in a common year
}

char* put_digits(char* out, std::uint64_t value, int count) {
  for (int at = count - 1; at >= 0; --at) {
    out[at] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + count;
}

char* put_fraction(char* out, std::uint32_t nanoseconds) {
  if (nanoseconds == 0) return out;
  *out++ = '.';
  out = put_digits(out, nanoseconds, 9);
  while (out[-1] == '0') --out;
  return out;
}

char* put_offset(char* out, std::int32_t offset_seconds) {
  const auto minutes = static_cast<std::uint32_t>(std::abs(offset_seconds)) / 60;
  if (minutes == 0) {
    *out++ = 'Z';
    return out;
  }
  *out++ = offset_seconds < 0 ? '-' : '+';
  out = put_digits(out, minutes / 60, 2);
  *out++ = ':';
  return put_digits(out, minutes % 60, 2);
}

// Parses the fixed part "2006-01-02T15:04:05" digit by digit.
struct Fields {
  std::string_view text;
  std::size_t at = 0;
  bool good = true;

  unsigned digits(int count) {
    unsigned value = 0;
    for (; count > 0; --count, ++at) {
      const char digit = at < text.size() ? text[at] : '\0';
      if (digit < '0' || digit > '9') good = false;
      value = value * 10 + static_cast<unsigned>(digit - '0');
    }
    return value;
  }
  // Letters (given as capitals) count in either case.
  bool has(char byte) const {
    const bool is_letter = byte >= 'A';
    return at < text.size() && (text[at] == byte || (is_letter && text[at] == (byte | 0x20)));
  }
  void expect(char byte) {
    if (!has(byte)) good = false;
    ++at;
  }
  std::uint32_t fraction() {
    if (!has('.')) return 0;
    ++at;
    std::uint32_t value = 0;
    std::uint32_t scale = second_nanoseconds / 10;
    const std::size_t start = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      value += static_cast<std::uint32_t>(text[at] - '0') * scale;
      scale /= 10;
    }
    if (at == start) good = false;
    return value;
  }
  std::int32_t offset() {
    if (has('Z')) {
      ++at;
      return 0;
    }
    const bool west = has('-');
    if (!west && !has('+')) good = false;
    ++at;
    const unsigned hours = digits(2);
    expect(':');
    const unsigned minutes = digits(2);
    if (hours > 23 || minutes > 59) good = false;
    const auto seconds = static_cast<std::int32_t>(hours * 3600 + minutes * 60);
    return west ? -seconds : seconds;
  }
};

unsigned days_in_month(std::int64_t year, unsigned month) {
  constexpr std::array<unsigned, 12> lengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return lengths[month - 1] + (leap && month == 2 ? 1 : 0);
}

}  // namespace

NodeTime make_node_time(std::int64_t seconds, std::uint32_t nanoseconds, TimeOffset offset) {
  NodeTime time{seconds, nanoseconds, 0};
  if (offset == TimeOffset::local) time.offset_seconds = local_offset_seconds(seconds);
  return time;
}

NodeTime make_node_time(WallTime time, TimeOffset offset) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return make_node_time(seconds.time_since_epoch().count(),
                        static_cast<std::uint32_t>((time - seconds).count()), offset);
}

WallTime to_wall_time(const NodeTime& time) {
  constexpr std::int64_t seconds_max =
      std::numeric_limits<std::int64_t>::max() / second_nanoseconds - 1;
  const std::int64_t seconds = std::clamp(time.seconds, -seconds_max, seconds_max);
  return WallTime(Duration(seconds * second_nanoseconds + time.nanoseconds));
}

std::size_t write_node_time(const NodeTime& time, char* out) {
  // 2^62 seconds are far beyond every year that is written, and adding the offset stays defined.
  constexpr std::int64_t seconds_max = std::int64_t{1} << 62;
  const std::int64_t seconds =
      std::clamp(time.seconds, -seconds_max, seconds_max) + time.offset_seconds;
  std::int64_t days = seconds / day_seconds;
  std::int64_t rest = seconds % day_seconds;
  if (rest < 0) {
    rest += day_seconds;
    --days;
  }
  const Date date = representable(date_of(days));
  const auto second = static_cast<std::uint64_t>(rest);
  char* end = put_digits(out, static_cast<std::uint64_t>(date.year), 4);
  *end++ = '-';
  end = put_digits(end, date.month, 2);
  *end++ = '-';
  end = put_digits(end, date.day, 2);
  *end++ = 'T';
  end = put_digits(end, second / 3600, 2);
  *end++ = ':';
  end = put_digits(end, second / 60 % 60, 2);
  *end++ = ':';
  end = put_digits(end, second % 60, 2);
  end = put_fraction(end, time.nanoseconds % second_nanoseconds);
  end = put_offset(end, time.offset_seconds);
  return static_cast<std::size_t>(end - out);
}

std::string format_node_time(const NodeTime& time) {
  std::array<char, node_time_text_bytes_max> text{};
  return std::string(text.data(), write_node_time(time, text.data()));
}

Result<NodeTime> parse_node_time(std::string_view text) {
  Fields in{text};
  Date date;
  date.year = in.digits(4);
  in.expect('-');
  date.month = in.digits(2);
  in.expect('-');
  date.day = in.digits(2);
  in.expect('T');
  const unsigned hour = in.digits(2);
  in.expect(':');
  const unsigned minute = in.digits(2);
  in.expect(':');
  const unsigned second = in.digits(2);
  const std::uint32_t nanoseconds = in.fraction();
  const std::int32_t offset = in.offset();
  const bool in_range = in.good && in.at == text.size() && date.month >= 1 && date.month <= 12 &&
                        hour <= 23 && minute <= 59 && second <= 59;
  if (!in_range || date.day < 1 || date.day > days_in_month(date.year, date.month))
    return fail(ErrorCode::malformed,
                fmt::format("\"{}\" is not an RFC 3339 time", text.substr(0, 64)));
  const std::int64_t seconds =
      days_of(date) * day_seconds + hour * 3600 + minute * 60 + second - offset;
  return NodeTime{seconds, nanoseconds, offset};
}

}  // namespace holdfast::repo
