// Index entries and collMod (docs/oplog_format.md 2.7, 2.12).
#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "oplog/catalog_change.hpp"
#include "oplog/spec_edit.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::Value;

tl::unexpected<Error> malformed(const Entry& entry, std::string_view what) {
  return fail(ErrorCode::malformed,
              fmt::format("oplog entry {}: {}: {}", to_text(entry.ts), entry.command(), what));
}

Result<std::vector<Bytes>> specs_of(const Entry& entry) {
  const auto list = entry.o.find("indexes");
  if (!list || list->type != Type::array) return malformed(entry, "'indexes' is not an array");
  std::vector<Bytes> specs;
  for (const Element& spec : list->as_document()) {
    if (spec.value.type != Type::document) return malformed(entry, "an index is not a document");
    specs.push_back(to_bytes(spec.value.bytes));
  }
  return specs;
}

Result<Uuid> build_of(const Entry& entry) {
  const auto value = entry.o.find("indexBuildUUID");
  if (!value) return malformed(entry, "'indexBuildUUID' is missing");
  return Uuid::from_value(*value).while_doing("reading indexBuildUUID");
}

bool is_true(const Value& value) {
  return value.type == Type::boolean ? value.as_bool() : value.as_integer().value_or(0) != 0;
}

const Value* present_if(const Value& value, bool is_present) {
  return is_present ? &value : nullptr;
}

std::optional<Value> optional_of(const Value* value) {
  return value != nullptr ? std::optional<Value>(*value) : std::nullopt;
}

enum class Member : std::uint8_t {
  replaced,          // the option gets the value
  removed_if_empty,  // {} removes it
  removed_if_false,
  removed_if_off,
  merged,
  renamed_size,
  renamed_max,
  index,
  ignored
};

struct MemberRow {
  std::string_view name;
  Member member;
};

constexpr MemberRow member_rows[] = {
    {"index", Member::index},
    {"validator", Member::removed_if_empty},
    {"validationLevel", Member::replaced},
    {"validationAction", Member::replaced},
    {"recordPreImages", Member::removed_if_false},
    {"changeStreamPreAndPostImages", Member::replaced},
    {"expireAfterSeconds", Member::removed_if_off},
    {"timeseries", Member::merged},
    {"cappedSize", Member::renamed_size},
    {"cappedMax", Member::renamed_max},
    {"noPadding", Member::ignored},
    {"usePowerOf2Sizes", Member::ignored},
};

Bytes merged_member(ByteView options, const Element& change) {
  const auto old = Document::trusted(options).find(change.name);
  if (!old || old->type != Type::document || change.value.type != Type::document)
    return with_option(options, change.name, change.value);
  Bytes merged = to_bytes(old->bytes);
  for (const Element& element : change.value.as_document())
    merged = with_member(merged, element.name, element.value);
  return with_option(options, change.name, Value{Type::document, merged});
}

Bytes modified_options(ByteView options, const Element& change, Member member) {
  const Value& value = change.value;
  switch (member) {
    case Member::removed_if_empty: {
      const bool is_empty = value.type == Type::document && value.as_document().is_empty();
      return with_option(options, change.name, optional_of(present_if(value, !is_empty)));
    }
    case Member::removed_if_false:
      return with_option(options, change.name, optional_of(present_if(value, is_true(value))));
    case Member::removed_if_off:
      return with_option(options, change.name,
                         optional_of(present_if(value, value.type != Type::string)));
    case Member::merged:
      return merged_member(options, change);
    case Member::renamed_size:
      return with_option(options, "size", value);
    case Member::renamed_max:
      return with_option(options, "max", value);
    default:
      return with_option(options, change.name, value);
  }
}

// The changed spec; nothing: a member that nobody knows.
std::optional<Bytes> modified_spec(ByteView spec, const Element& change) {
  const Value& value = change.value;
  if (change.name == "name" || change.name == "keyPattern") return to_bytes(spec);
  if (change.name == "expireAfterSeconds") return with_member(spec, change.name, value);
  const bool is_flag = change.name == "hidden" || change.name == "prepareUnique" ||
                       change.name == "disallowNewDuplicateKeys" || change.name == "unique";
  if (!is_flag) return std::nullopt;
  const auto flag = optional_of(present_if(value, is_true(value)));
  if (change.name == "unique" && flag)
    return with_member(with_member(spec, "prepareUnique", std::nullopt), change.name, flag);
  return with_member(spec, change.name, flag);
}

}  // namespace

Result<void> Catalog::add_index(const Change& change, CollectionNumber number, ByteView spec) {
  auto& indexes = collections_[number].facts.indexes;
  const auto name = index_name(spec);
  if (name.empty()) return malformed(change.entry, "an index has no name");
  for (const Bytes& old : indexes) {
    if (index_name(old) != name) continue;
    if (is_same_index(old, spec)) return {};
    return anomaly(change, fmt::format("index '{}' exists with another specification", name));
  }
  indexes.push_back(to_bytes(spec));
  return {};
}

Result<void> Catalog::create_indexes(const Change& change) {
  if (!change.entry.o.find("key")) return refuse(change.entry, "createIndexes without a key");
  const auto number = TRY(target(change));
  if (!number) return {};
  return add_index(change, *number, tail_without(change.entry.o, ""));
}

Result<void> Catalog::start_build(const Change& change) {
  auto specs = TRY(specs_of(change.entry));
  const auto build = TRY(build_of(change.entry));
  const auto number = TRY(target(change));
  if (number) builds_.insert_or_assign(build, Build{*number, change.entry.ts, std::move(specs)});
  return {};
}

Result<void> Catalog::commit_build(const Change& change) {
  const auto specs = TRY(specs_of(change.entry));
  const auto build = TRY(build_of(change.entry));
  builds_.erase(build);
  const auto number = TRY(target(change));
  if (!number) return {};
  for (const Bytes& spec : specs) TRY(add_index(change, *number, spec));
  return {};
}

Result<void> Catalog::abort_build(const Change& change) {
  const auto build = TRY(build_of(change.entry));
  builds_.erase(build);
  TRY(target(change));
  return {};
}

Result<void> Catalog::drop_indexes(const Change& change) {
  const auto index = change.entry.o.find("index");
  if (!index || index->type != Type::string || change.entry.o.find("keys"))
    return refuse(change.entry, "dropIndexes by anything but a name");
  const auto number = TRY(target(change));
  if (!number) return {};
  auto& indexes = collections_[*number].facts.indexes;
  const auto name = index->as_text();
  if (name == "*") {
    std::erase_if(indexes, [](const Bytes& spec) { return index_name(spec) != "_id_"; });
    return {};
  }
  const auto erased =
      std::erase_if(indexes, [&](const Bytes& spec) { return index_name(spec) == name; });
  if (erased == 0) return anomaly(change, fmt::format("index '{}' is unknown", name));
  return {};
}

Result<void> Catalog::modify(const Change& change) {
  const auto number = TRY(target(change));
  bool mentions_pre_images = false;
  bool is_first = true;
  for (const Element& element : change.entry.o) {
    if (std::exchange(is_first, false)) continue;
    const auto* row = std::find_if(std::begin(member_rows), std::end(member_rows),
                                   [&](const auto& known) { return known.name == element.name; });
    if (row == std::end(member_rows))
      return refuse(change.entry, fmt::format("unknown member '{}' of collMod", element.name));
    mentions_pre_images |= element.name == "recordPreImages";
    if (!number || row->member == Member::ignored) continue;
    if (row->member == Member::index) {
      if (element.value.type != Type::document)
        return malformed(change.entry, "'index' is not a document");
      TRY(modify_index(change, *number, element.value.as_document()));
      continue;
    }
    auto& options = collections_[*number].facts.options;
    options = modified_options(options, element, row->member);
  }
  if (!number || mentions_pre_images) return {};
  // Servers of 4.4 reset this option when a collMod does not mention it.
  auto& options = collections_[*number].facts.options;
  options = with_option(options, "recordPreImages", std::nullopt);
  return {};
}

Result<void> Catalog::modify_index(const Change& change, CollectionNumber number, Document index) {
  const auto name = index.find("name");
  const auto pattern = index.find("keyPattern");
  auto& indexes = collections_[number].facts.indexes;
  const auto found = std::find_if(indexes.begin(), indexes.end(), [&](const Bytes& spec) {
    if (name) return name->type == Type::string && index_name(spec) == name->as_text();
    const auto key = Document::trusted(spec).find("key");
    return pattern && key && bson::is_same(*key, *pattern);
  });
  if (found == indexes.end()) return anomaly(change, "the index to modify is unknown");
  for (const Element& element : index) {
    auto spec = modified_spec(*found, element);
    if (!spec)
      return refuse(change.entry,
                    fmt::format("unknown member '{}' of an index in collMod", element.name));
    *found = std::move(*spec);
  }
  return {};
}

}  // namespace holdfast::oplog
