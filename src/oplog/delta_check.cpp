#include <fmt/format.h>

#include <algorithm>

#include "oplog/delta.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;

constexpr std::size_t few_names = 12;

tl::unexpected<Error> malformed(std::string message) {
  return fail(ErrorCode::malformed, std::move(message));
}

// d < u < i < b < s; 0 for anything else.
int section_rank(std::string_view name) {
  if (name[0] == 's') return 5;
  if (name.size() != 1) return 0;
  switch (name[0]) {
    case 'd':
      return 1;
    case 'u':
      return 2;
    case 'i':
      return 3;
    case 'b':
      return 4;
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::uint64_t> parse_array_index(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
    if (value > 0xFFFFFFFF) return std::nullopt;
  }
  return value;
}

Result<void> DeltaCheck::check(Document diff) {
  names_.clear();
  return document(diff);
}

Result<void> DeltaCheck::document(Document diff) {
  if (diff.is_empty()) return malformed("a delta is empty");
  const std::size_t from = names_.size();
  int previous = 0;
  for (const Element& element : diff) {
    if (element.name.empty()) return malformed("a delta has a section without a name");
    const int rank = section_rank(element.name);
    const bool is_in_order = rank > previous || (rank == 5 && previous == 5);
    if (!is_in_order)
      return malformed(fmt::format("a delta has an unexpected section '{}'", element.name));
    if (element.value.type != Type::document)
      return malformed(fmt::format("section '{}' of a delta is not a document", element.name));
    previous = rank;
    if (rank < 5) TRY(section(element));
    if (rank == 5) names_.push_back(element.name.substr(1));
  }
  TRY(check_duplicates(from));
  for (const Element& element : diff) {
    if (element.name[0] == 's') TRY(sub_diff(element));
  }
  names_.resize(from);
  return {};
}

Result<void> DeltaCheck::section(const Element& element) {
  for (const Element& field : element.value.as_document()) {
    names_.push_back(field.name);
    if (element.name[0] == 'b') TRY(check_binary_patch(field));
  }
  return {};
}

Result<void> DeltaCheck::check_binary_patch(const Element& element) {
  if (element.value.type != Type::document)
    return malformed(fmt::format("the binary patch of '{}' is not a document", element.name));
  const auto patch = element.value.as_document();
  const auto offset = patch.find("o");
  const auto content = patch.find("d");
  const bool has_offset = offset && (offset->type == Type::int32 || offset->type == Type::int64);
  if (!has_offset || *offset->as_integer() < 0 || !content || content->type != Type::binary)
    return malformed(
        fmt::format("the binary patch of '{}' is not {{o: offset, d: binary}}", element.name));
  return {};
}

Result<void> DeltaCheck::check_duplicates(std::size_t from) {
  const auto begin = names_.begin() + static_cast<std::ptrdiff_t>(from);
  if (names_.size() - from > few_names) {
    std::sort(begin, names_.end());
    const auto twice = std::adjacent_find(begin, names_.end());
    if (twice == names_.end()) return {};
    return malformed(fmt::format("a delta names the field '{}' twice", *twice));
  }
  for (auto left = begin; left != names_.end(); ++left) {
    if (std::find(left + 1, names_.end(), *left) != names_.end())
      return malformed(fmt::format("a delta names the field '{}' twice", *left));
  }
  return {};
}

Result<void> DeltaCheck::sub_diff(const Element& element) {
  if (element.value.type != Type::document)
    return malformed(fmt::format("the sub-delta '{}' is not a document", element.name));
  const auto diff = element.value.as_document();
  if (diff.is_empty()) return malformed("a sub-delta is empty");
  if (diff.begin()->name == "a") return array(diff);
  return document(diff);
}

Result<void> DeltaCheck::array(Document diff) {
  std::int64_t last = -1;
  std::int64_t length = -1;
  std::size_t position = 0;
  for (const Element& element : diff) {
    const auto name = element.name;
    const std::size_t at = position++;
    if (at == 0) {
      if (element.value.type != Type::boolean || !element.value.as_bool())
        return malformed("the header of an array delta is not 'a: true'");
      continue;
    }
    if (at == 1 && name == "l") {
      if (element.value.type != Type::int32 || element.value.as_int32() < 0)
        return malformed("the length of an array delta is not a positive int32");
      length = element.value.as_int32();
      continue;
    }
    if (name.empty() || (name[0] != 'u' && name[0] != 's'))
      return malformed(fmt::format("an array delta has an unexpected member '{}'", name));
    const auto index = parse_array_index(name.substr(1));
    if (!index) return malformed(fmt::format("'{}' in an array delta is not an index", name));
    if (static_cast<std::int64_t>(*index) <= last)
      return malformed(fmt::format("index {} in an array delta does not ascend", *index));
    last = static_cast<std::int64_t>(*index);
    if (length >= 0 && last >= length)
      return malformed(fmt::format("index {} is beyond the array's new length {}", last, length));
    if (name[0] == 's') TRY(sub_diff(element));
  }
  return {};
}

}  // namespace holdfast::oplog
