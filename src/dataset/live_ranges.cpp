#include "dataset/live_ranges.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "bson/builder.hpp"
#include "bson/compare.hpp"
#include "bson/key.hpp"
#include "mongo/cursor.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t samples_per_range = 16;
constexpr std::size_t samples_max = 8192;

bson::Value id_of(ByteView bound) {
  return bson::Document::trusted(bound).begin()->value;
}

// Values that every server compares with their like as K does.
bool is_usable(const bson::Value& id) {
  switch (id.type) {
    case bson::Type::double_:
      return !std::isnan(id.as_double());
    case bson::Type::int32:
    case bson::Type::int64:
    case bson::Type::string:
    case bson::Type::object_id:
    case bson::Type::date:
    case bson::Type::binary:
      return true;
    default:
      return false;
  }
}

void append_comparison(bson::Builder& filter, std::string_view comparison, ByteView bound) {
  filter.append(comparison, id_of(bound));
}

IdRange between(const Bytes* lower, const Bytes* upper) {
  IdRange range;
  range.kind = RangeKind::between;
  bson::Builder filter;
  filter.begin_document("_id");
  if (lower != nullptr) {
    append_comparison(filter, "$gte", *lower);
    range.lower_key = bson::key_of(id_of(*lower));
  }
  if (upper != nullptr) {
    append_comparison(filter, "$lt", *upper);
    range.upper_key = bson::key_of(id_of(*upper));
  }
  filter.end();
  range.filter = filter.take();
  return range;
}

// The negation of "below the bound" and "from the bound on".
IdRange rest_of(const Bytes& bound) {
  IdRange range;
  range.kind = RangeKind::rest;
  range.lower_key = bson::key_of(id_of(bound));
  bson::Builder filter;
  filter.begin_array("$nor");
  int number = 0;
  for (const auto* comparison : {"$lt", "$gte"}) {
    filter.begin_document(std::to_string(number++));
    filter.begin_document("_id");
    append_comparison(filter, comparison, bound);
    filter.end();
    filter.end();
  }
  filter.end();
  range.filter = filter.take();
  return range;
}

std::optional<std::uint64_t> number_in(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  const auto number = value ? value->as_integer() : std::nullopt;
  if (!number || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

Bytes sample_command(const std::string& collection, std::size_t count) {
  bson::Builder command;
  command.append_text("aggregate", collection);
  command.begin_array("pipeline");
  command.begin_document("0");
  command.begin_document("$sample");
  command.append_int64("size", static_cast<std::int64_t>(count));
  command.end();
  command.end();
  command.begin_document("1");
  command.begin_document("$project");
  command.append_int32("_id", 1);
  command.end();
  command.end();
  command.end();
  command.begin_document("cursor");
  command.end();
  return command.take();
}

}  // namespace

bool IdRange::may_hold(ByteView key) const {
  if (kind != RangeKind::between) return true;
  const bool is_above = lower_key.empty() || bson::compare_bytes(key, lower_key) >= 0;
  const bool is_below = upper_key.empty() || bson::compare_bytes(key, upper_key) < 0;
  return is_above && is_below;
}

std::vector<Bytes> usable_bounds(const std::vector<Bytes>& bounds) {
  std::map<std::uint8_t, std::size_t> kinds;
  for (const Bytes& bound : bounds)
    if (is_usable(id_of(bound))) ++kinds[bson::rank_of(id_of(bound).type)];
  const auto most = std::max_element(
      kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == kinds.end()) return {};
  std::map<Bytes, const Bytes*> sorted;
  for (const Bytes& bound : bounds) {
    const bson::Value id = id_of(bound);
    if (is_usable(id) && bson::rank_of(id.type) == most->first)
      sorted.emplace(bson::key_of(id), &bound);
  }
  std::vector<Bytes> usable;
  for (const auto& [key, bound] : sorted) usable.push_back(*bound);
  return usable;
}

std::vector<IdRange> ranges_between(const std::vector<Bytes>& bounds) {
  const std::vector<Bytes> usable = usable_bounds(bounds);
  if (usable.empty()) return {IdRange{}};
  std::vector<IdRange> ranges;
  ranges.push_back(between(nullptr, &usable.front()));
  for (std::size_t at = 1; at < usable.size(); ++at)
    ranges.push_back(between(&usable[at - 1], &usable[at]));
  ranges.push_back(between(&usable.back(), nullptr));
  ranges.push_back(rest_of(usable.front()));
  return ranges;
}

Result<std::optional<CollectionSize>> estimate_size(mongo::Connection& connection,
                                                    const MongoCollection& collection) {
  bson::Builder command;
  command.append_text("collStats", collection.name);
  const mongo::Reply reply = TRY(connection.run(collection.db, command.finish()));
  if (!reply.is_ok) return std::optional<CollectionSize>();
  const auto count = number_in(reply.body(), "count");
  const auto bytes = number_in(reply.body(), "size");
  if (!count || !bytes) return std::optional<CollectionSize>();
  return std::optional(CollectionSize{*count, *bytes});
}

Result<std::optional<std::uint64_t>> count_documents(mongo::Connection& connection,
                                                     const MongoCollection& collection) {
  bson::Builder command;
  command.append_text("count", collection.name);
  const mongo::Reply reply = TRY(connection.run(collection.db, command.finish()));
  if (!reply.is_ok) return std::optional<std::uint64_t>();
  return number_in(reply.body(), "n");
}

Result<std::vector<Bytes>> sample_bounds(mongo::Connection& connection,
                                         const MongoCollection& collection, std::size_t count) {
  if (count < 2) return std::vector<Bytes>();
  const std::size_t wanted = std::min(count * samples_per_range, std::max(samples_max, count));
  const Bytes command = sample_command(collection.name, wanted);
  mongo::Reply reply = TRY(connection.run(collection.db, bson::Document::trusted(command)));
  if (!reply.is_ok) return std::vector<Bytes>();
  auto cursor = TRY(mongo::Cursor::adopt(connection, std::move(reply)));
  std::vector<Bytes> samples;
  while (samples.size() < wanted) {
    const auto sample = TRY(cursor.next().while_doing("sampling " + collection.ns()));
    if (!sample) break;
    if (bson::Document::trusted(*sample).find("_id")) samples.push_back(to_bytes(*sample));
  }
  const std::vector<Bytes> sorted = usable_bounds(samples);
  std::vector<Bytes> bounds;
  for (std::size_t part = 1; part < count; ++part) {
    const std::size_t at = part * sorted.size() / count;
    if (at < sorted.size() && (bounds.empty() || bounds.back() != sorted[at]))
      bounds.push_back(sorted[at]);
  }
  return bounds;
}

}  // namespace holdfast::dataset
