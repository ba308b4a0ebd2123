#include "bson/compare.hpp"

#include <algorithm>
#include <cmath>

#include "bson/key.hpp"

namespace holdfast::bson {

namespace {

constexpr std::uint8_t number_rank = 0x1E;

std::weak_ordering by_key(const Value& left, const Value& right) {
  return compare_bytes(key_of(left), key_of(right));
}

std::weak_ordering compare_numbers(const Value& left, const Value& right) {
  const auto left_integer = left.as_integer();
  const auto right_integer = right.as_integer();
  if (left_integer && right_integer) return *left_integer <=> *right_integer;
  const bool both_double = left.type == Type::double_ && right.type == Type::double_;
  if (both_double && !std::isnan(left.as_double()) && !std::isnan(right.as_double())) {
    if (left.as_double() < right.as_double()) return std::weak_ordering::less;
    if (left.as_double() > right.as_double()) return std::weak_ordering::greater;
    return std::weak_ordering::equivalent;
  }
  return by_key(left, right);
}

// Type before name before value; the end of a document comes first.
std::weak_ordering compare_documents(Document left, Document right) {
  auto left_at = left.begin();
  auto right_at = right.begin();
  for (; left_at != nullptr && right_at != nullptr; ++left_at, ++right_at) {
    const auto ranks = rank_of(left_at->value.type) <=> rank_of(right_at->value.type);
    if (ranks != 0) return ranks;
    const auto names = compare_bytes(as_bytes(left_at->name), as_bytes(right_at->name));
    if (names != 0) return names;
    const auto values = compare(left_at->value, right_at->value);
    if (values != 0) return values;
  }
  if (left_at != nullptr) return std::weak_ordering::greater;
  return right_at != nullptr ? std::weak_ordering::less : std::weak_ordering::equivalent;
}

std::weak_ordering compare_same_rank(const Value& left, const Value& right) {
  switch (left.type) {
    case Type::object_id:
      return compare_bytes(left.bytes, right.bytes);
    case Type::string:
    case Type::symbol:
    case Type::code:
      return compare_bytes(as_bytes(left.as_text()), as_bytes(right.as_text()));
    case Type::date:
      return left.as_int64() <=> right.as_int64();
    case Type::timestamp:
      return left.as_timestamp() <=> right.as_timestamp();
    case Type::document:
      return compare_documents(left.as_document(), right.as_document());
    default:
      return by_key(left, right);
  }
}

}  // namespace

std::weak_ordering compare_bytes(ByteView left, ByteView right) {
  const std::size_t shared = std::min(left.size(), right.size());
  if (shared != 0) {
    const int order = std::memcmp(left.data(), right.data(), shared);
    if (order != 0) return order <=> 0;
  }
  return left.size() <=> right.size();
}

std::weak_ordering compare(const Value& left, const Value& right) {
  const std::uint8_t left_rank = rank_of(left.type);
  const auto ranks = left_rank <=> rank_of(right.type);
  if (ranks != 0) return ranks;
  if (left_rank == number_rank) return compare_numbers(left, right);
  return compare_same_rank(left, right);
}

}  // namespace holdfast::bson
