#include "dataset/json_fields.hpp"

#include <fmt/format.h>

namespace holdfast::dataset {

tl::unexpected<Error> JsonFields::wrong(std::string_view name) const {
  return fail(ErrorCode::malformed,
              fmt::format("{}: '{}' is missing or of a wrong type", place_, name));
}

Result<std::string> JsonFields::text(std::string_view name) const {
  const auto value = document_.find(name);
  if (!value || value->type != bson::Type::string) return wrong(name);
  return std::string(value->as_text());
}

Result<std::uint64_t> JsonFields::number(std::string_view name) const {
  const auto value = document_.find(name);
  const auto integer = value ? value->as_integer() : std::nullopt;
  if (!integer || *integer < 0) return wrong(name);
  return static_cast<std::uint64_t>(*integer);
}

Result<JsonFields> JsonFields::object(std::string_view name) const {
  const auto value = document_.find(name);
  if (!value || value->type != bson::Type::document) return wrong(name);
  return JsonFields(value->as_document(), place_);
}

Result<bson::Document> JsonFields::list(std::string_view name) const {
  const auto value = document_.find(name);
  if (!value || value->type != bson::Type::array) return wrong(name);
  return value->as_document();
}

Result<oplog::Timestamp> JsonFields::timestamp(std::string_view name) const {
  const JsonFields parts = TRY(object(name));
  const std::uint64_t seconds = TRY(parts.number("t"));
  const std::uint64_t ordinal = TRY(parts.number("i"));
  if (seconds > UINT32_MAX || ordinal > UINT32_MAX) return wrong(name);
  return oplog::Timestamp{static_cast<std::uint32_t>(seconds), static_cast<std::uint32_t>(ordinal)};
}

Result<oplog::OpTime> JsonFields::optime(std::string_view name) const {
  const oplog::Timestamp ts = TRY(timestamp(name));
  const JsonFields parts = TRY(object(name));
  const auto value = parts.find("term");
  const auto term = value ? value->as_integer() : std::nullopt;
  if (!term) return wrong(name);
  return oplog::OpTime{ts, *term};
}

Result<oplog::ContentHash> JsonFields::hash(std::string_view name) const {
  const std::string hex = TRY(text(name));
  if (hex.empty()) return oplog::ContentHash{};
  return oplog::ContentHash::parse(hex);
}

bool JsonFields::is_true(std::string_view name) const {
  const auto value = document_.find(name);
  return value && value->type == bson::Type::boolean && value->as_bool();
}

std::string timestamp_json(oplog::Timestamp ts) {
  return fmt::format("{{\"t\":{},\"i\":{}}}", ts.seconds, ts.ordinal);
}

std::string optime_json(const oplog::OpTime& time) {
  return fmt::format("{{\"t\":{},\"i\":{},\"term\":{}}}", time.ts.seconds, time.ts.ordinal,
                     time.term);
}

}  // namespace holdfast::dataset
