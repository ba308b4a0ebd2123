#include "oplog/order.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::oplog {

std::string to_text(Timestamp ts) {
  return fmt::format("{},{}", ts.seconds, ts.ordinal);
}

Result<Uuid> Uuid::from_value(const bson::Value& value) {
  constexpr std::uint8_t uuid_subtype = 4;
  const bool is_uuid = value.type == bson::Type::binary && value.bytes.size() == 21 &&
                       value.bytes[4] == uuid_subtype;
  if (!is_uuid) return fail(ErrorCode::malformed, "not a UUID of 16 bytes");
  Uuid uuid;
  std::copy_n(value.bytes.begin() + 5, 16, uuid.bytes.begin());
  return uuid;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  std::string digits;
  std::copy_if(text.begin(), text.end(), std::back_inserter(digits),
               [](char digit) { return digit != '-'; });
  const auto bytes = TRY(from_hex(digits));
  if (bytes.size() != 16)
    return fail(ErrorCode::malformed, fmt::format("'{}' is not a UUID of 32 hex digits", text));
  Uuid uuid;
  std::copy_n(bytes.begin(), 16, uuid.bytes.begin());
  return uuid;
}

}  // namespace holdfast::oplog
