// What a person types: times, sizes, spans, command lines, retention periods, hex and base64.
#include "base/check.hpp"
#include "base/process.hpp"
#include "base/time_text.hpp"
#include "base/units.hpp"
#include "repo/node_time.hpp"
#include "retain/policy.hpp"

using namespace holdfast;

namespace {

void check_times(std::string_view text) {
  const auto time = parse_time(text);
  if (time.has_value()) CHECK(time->nanoseconds < 1'000'000'000);
  const auto node_time = repo::parse_node_time(text);
  if (!node_time.has_value()) return;
  const std::string written = repo::format_node_time(*node_time);
  CHECK(written.size() <= repo::node_time_text_bytes_max);
  const auto again = repo::parse_node_time(written);
  CHECK(again.has_value() && *again == *node_time);
  // Only fractions of more than nine digits are refused by one and cut by the other.
  CHECK(time.has_value() ? time->seconds == node_time->seconds : text.size() > written.size());
}

void check_spans(std::string_view text) {
  const auto span = parse_span(text);
  if (span.has_value()) CHECK(span->count() >= 0);
  const auto calendar = retain::parse_calendar_span(text);
  if (!calendar.has_value()) return;
  const auto again = retain::parse_calendar_span(retain::to_text(*calendar));
  CHECK(calendar->is_zero() || (again.has_value() && *again == *calendar));
}

void check_encodings(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  CHECK(as_text(from_hex(to_hex(bytes)).value()) == text);
  CHECK(as_text(from_base64(to_base64(bytes)).value()) == text);
  const auto plain = from_base64(text);
  if (plain.has_value()) CHECK(from_base64(to_base64(*plain)).value() == *plain);
  const auto hex = from_hex(text);
  if (hex.has_value()) CHECK(hex->size() * 2 == text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check_times(text);
  check_spans(text);
  check_encodings(text);
  static_cast<void>(parse_size(text));
  static_cast<void>(split_words(text));
  return 0;
}
