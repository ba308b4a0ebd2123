#include "oplog/spec_edit.hpp"

#include <algorithm>
#include <array>

#include "bson/builder.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Value;

// The order in which the server writes options of a collection.
constexpr std::array option_order = {
    std::string_view("capped"),
    std::string_view("size"),
    std::string_view("max"),
    std::string_view("autoIndexId"),
    std::string_view("temp"),
    std::string_view("recordPreImages"),
    std::string_view("changeStreamPreAndPostImages"),
    std::string_view("storageEngine"),
    std::string_view("validator"),
    std::string_view("validationLevel"),
    std::string_view("validationAction"),
    std::string_view("indexOptionDefaults"),
    std::string_view("collation"),
    std::string_view("clusteredIndex"),
    std::string_view("expireAfterSeconds"),
    std::string_view("timeseries"),
    std::string_view("encryptedFields"),
    std::string_view("recordIdsReplicated"),
};

std::ptrdiff_t option_rank(std::string_view name) {
  return std::find(option_order.begin(), option_order.end(), name) - option_order.begin();
}

// `goes_before(member)`: a new member is written in front of that one.
template <class GoesBefore>
Bytes edited(ByteView document, std::string_view name, const std::optional<Value>& value,
             GoesBefore goes_before) {
  bson::Builder builder;
  const auto old = Document::trusted(document);
  bool is_written = !value || old.find(name);
  for (const Element& element : old) {
    if (element.name == name) {
      if (value) builder.append(name, *value);
      continue;
    }
    if (!is_written && goes_before(element.name)) {
      builder.append(name, *value);
      is_written = true;
    }
    builder.append_raw(element.raw);
  }
  if (!is_written) builder.append(name, *value);
  return builder.take();
}

}  // namespace

Bytes with_option(ByteView options, std::string_view name, const std::optional<Value>& value) {
  const auto rank = option_rank(name);
  return edited(options, name, value,
                [&](std::string_view other) { return option_rank(other) > rank; });
}

Bytes with_member(ByteView document, std::string_view name, const std::optional<Value>& value) {
  return edited(document, name, value, [](std::string_view) { return false; });
}

Bytes tail_without(Document document, std::string_view name) {
  bson::Builder builder;
  bool is_first = true;
  for (const Element& element : document) {
    if (!is_first && element.name != name) builder.append_raw(element.raw);
    is_first = false;
  }
  return builder.take();
}

}  // namespace holdfast::oplog
