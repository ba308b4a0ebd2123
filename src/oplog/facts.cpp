#include "oplog/facts.hpp"

#include "bson/compare.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;

bool option(ByteView options, std::string_view name) {
  if (options.empty()) return false;
  const auto value = Document::trusted(options).find(name);
  if (!value) return false;
  if (value->type == Type::boolean) return value->as_bool();
  if (value->type == Type::document) return true;  // clusteredIndex: {v, key, name, unique}
  return value->as_integer().value_or(0) != 0;
}

std::size_t count_without_ns(Document spec) {
  std::size_t count = 0;
  for (const auto& element : spec) count += element.name == "ns" ? 0 : 1;
  return count;
}

}  // namespace

bool CollectionFacts::is_capped() const {
  return option(options, "capped");
}
bool CollectionFacts::is_temporary() const {
  return option(options, "temp");
}
bool CollectionFacts::is_clustered() const {
  return option(options, "clusteredIndex");
}

std::string_view database_of(std::string_view ns) {
  return ns.substr(0, ns.find('.'));
}

std::string_view collection_of(std::string_view ns) {
  const std::size_t dot = ns.find('.');
  return dot == std::string_view::npos ? std::string_view() : ns.substr(dot + 1);
}

bool is_same_index(ByteView left, ByteView right) {
  const auto a = Document::trusted(left);
  const auto b = Document::trusted(right);
  if (count_without_ns(a) != count_without_ns(b)) return false;
  for (const auto& element : a) {
    if (element.name == "ns") continue;
    const auto other = b.find(element.name);
    if (!other || !bson::is_same(element.value, *other)) return false;
  }
  return true;
}

std::string_view index_name(ByteView spec) {
  const auto name = Document::trusted(spec).find("name");
  return name && name->type == Type::string ? name->as_text() : std::string_view();
}

bool is_excluded(std::string_view ns) {
  const auto database = database_of(ns);
  const auto collection = collection_of(ns);
  if (database == "local" || collection == "system.profile") return true;
  if (collection.starts_with("system.drop.")) return true;
  if (database != "config") return false;
  return collection == "transactions" || collection == "image_collection" ||
         collection == "system.preimages" || collection.starts_with("changes.");
}

}  // namespace holdfast::oplog
