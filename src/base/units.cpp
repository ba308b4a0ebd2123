#include "base/units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

namespace holdfast {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes the number at the front; nothing when there is none.
std::optional<double> take_number(std::string_view& text) {
  double number = 0;
  const auto [end, failed] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failed != std::errc{} || !std::isfinite(number) || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<double> factor_of_size(std::string_view unit) {
  std::string upper;
  for (const char c : unit) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  if (upper.empty() || upper == "B") return 1;
  static constexpr std::string_view prefixes = "KMGTP";
  const auto power = prefixes.find(upper[0]);
  const auto rest = std::string_view(upper).substr(1);
  if (power == std::string_view::npos || (rest != "" && rest != "B" && rest != "IB"))
    return std::nullopt;
  return std::pow(1024.0, static_cast<double>(power + 1));
}

struct SpanUnit {
  std::string_view name;
  double seconds;
};
constexpr std::array<SpanUnit, 6> span_units{
    {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}}};

std::optional<double> take_span_unit(std::string_view& text) {
  for (const auto& unit : span_units) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.seconds;
  }
  return std::nullopt;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = trim(text);
  const auto number = take_number(rest);
  const auto factor = number ? factor_of_size(trim(rest)) : std::nullopt;
  if (!factor)
    return fail(ErrorCode::usage,
                fmt::format("\"{}\" is not a size; write it like 512K, 16MiB or 2G", text));
  const double bytes = *number * *factor;
  if (bytes >= 9.2e18)
    return fail(ErrorCode::usage, fmt::format("the size \"{}\" is too large", text));
  return static_cast<std::uint64_t>(bytes);
}

Result<Duration> parse_span(std::string_view text) {
  constexpr double seconds_max = 100.0 * 366 * 86400;
  std::string_view rest = trim(text);
  double seconds = 0;
  bool any = false;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    const auto unit = number ? take_span_unit(rest) : std::nullopt;
    if (!unit) break;
    seconds += *number * *unit;
    any = true;
  }
  if (!any || !rest.empty())
    return fail(ErrorCode::usage,
                fmt::format("\"{}\" is not a span of time; write it like 90s, 10m or 1h30m", text));
  if (seconds > seconds_max)
    return fail(ErrorCode::usage, fmt::format("the span \"{}\" is longer than 100 years", text));
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace holdfast
