#include "catalog/mongo_moment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/time_text.hpp"

namespace holdfast::catalog {

namespace {

bool read_number(std::string_view text, std::uint32_t& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

bool has_zone(std::string_view time_of_day) {
  return time_of_day.find_first_of("Zz+-") != std::string_view::npos;
}

// Fills in what a person leaves out of an RFC 3339 time.
std::string complete_time(std::string_view text) {
  constexpr std::size_t date_bytes = 10;
  std::string time(text);
  if (time.size() > date_bytes && time[date_bytes] == ' ') time[date_bytes] = 'T';
  if (time.size() == date_bytes) time += "T00:00";
  constexpr std::size_t minutes_bytes = 16;
  if (time.size() == minutes_bytes || (time.size() > minutes_bytes && time[minutes_bytes] != ':'))
    time.insert(minutes_bytes, ":00");
  if (!has_zone(std::string_view(time).substr(date_bytes))) time += 'Z';
  return time;
}

tl::unexpected<Error> not_a_moment(std::string_view text) {
  return fail(ErrorCode::usage, fmt::format("'{}' is no moment: give SECONDS,ORDINAL, a time like "
                                            "2025-11-09T14:20:31Z, or last",
                                            text));
}

std::string nearest_text(const oplog::Nearest& nearest) {
  if (!nearest.before && !nearest.after) return "no moment can be recovered yet";
  if (!nearest.after)
    return fmt::format("the last possible moment is {}", describe(*nearest.before));
  if (!nearest.before)
    return fmt::format("the first possible moment is {}", describe(*nearest.after));
  return fmt::format("the nearest possible moments are {} and {}", describe(*nearest.before),
                     describe(*nearest.after));
}

}  // namespace

Result<Moment> parse_moment(std::string_view text) {
  if (text == "last") return Moment{};
  const std::size_t comma = text.find(',');
  if (comma != std::string_view::npos) {
    Moment moment{MomentKind::entry, {}};
    if (!read_number(text.substr(0, comma), moment.at.seconds) ||
        !read_number(text.substr(comma + 1), moment.at.ordinal))
      return not_a_moment(text);
    return moment;
  }
  constexpr std::size_t date_bytes = 10;
  if (text.size() < date_bytes) return not_a_moment(text);
  const auto time = parse_time(complete_time(text));
  if (!time.has_value() || time->seconds < 0 || time->seconds > UINT32_MAX)
    return not_a_moment(text);
  return Moment{MomentKind::whole_second, {static_cast<std::uint32_t>(time->seconds), UINT32_MAX}};
}

std::string describe(const Moment& moment) {
  switch (moment.kind) {
    case MomentKind::newest:
      return "the last recorded moment";
    case MomentKind::entry:
      return describe(moment.at);
    case MomentKind::whole_second:
      break;
  }
  return format_time(moment.at.seconds, 0) + ", including all of that second";
}

std::string describe(oplog::Timestamp at) {
  return fmt::format("{} ({})", oplog::to_text(at), format_time(at.seconds, 0));
}

Result<MomentChoice> choose_moment(const oplog::Timeline& timeline,
                                   const std::vector<oplog::BaseWindow>& bases,
                                   const Moment& moment) {
  oplog::Timestamp at = moment.at;
  if (moment.kind == MomentKind::newest) {
    const auto windows = timeline.recoverable(bases);
    const auto newest = std::max_element(windows.begin(), windows.end(),
                                         [](const auto& a, const auto& b) { return a.to < b.to; });
    if (newest == windows.end()) return fail(ErrorCode::no_point, "no moment can be recovered yet");
    at = newest->to;
  }
  const auto window = timeline.choose(bases, at);
  if (window.has_value()) return MomentChoice{*window, at};
  return fail(ErrorCode::no_point, fmt::format("{} can not be recovered: {}", describe(moment),
                                               nearest_text(timeline.nearest(bases, at))));
}

}  // namespace holdfast::catalog
