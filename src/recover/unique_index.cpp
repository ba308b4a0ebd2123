#include "recover/unique_index.hpp"

#include <algorithm>

#include "bson/compare.hpp"
#include "bson/key.hpp"
#include "oplog/facts.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;
using bson::Type;
using bson::Value;

constexpr std::size_t depth_max = 100;  // of documents in documents, as servers have it

Value null_value() {
  return {Type::null, {}};
}

bool is_operators(const Value& value) {
  if (value.type != Type::document || value.as_document().is_empty()) return false;
  return (*value.as_document().begin()).name.starts_with('$');
}

// What stands at a dotted path; arrays on the way give what each of their documents has.
void collect(Document document, std::string_view path, std::size_t depth, std::vector<Value>& to) {
  const std::size_t dot = path.find('.');
  const auto value = document.find(path.substr(0, dot));
  if (!value || depth == depth_max) return;
  const bool is_last = dot == std::string_view::npos;
  if (value->type == Type::document && !is_last)
    return collect(value->as_document(), path.substr(dot + 1), depth + 1, to);
  if (value->type != Type::array) {
    if (is_last) to.push_back(*value);
    return;
  }
  for (const auto& element : value->as_document()) {
    if (to.size() == document_keys_max) return;
    if (is_last)
      to.push_back(element.value);
    else if (element.value.type == Type::document)
      collect(element.value.as_document(), path.substr(dot + 1), depth + 1, to);
  }
}

struct Plain {
  std::optional<Value> value;
  bool has_array = false;  // what a condition means then is the server's business
};

Plain plain_at(Document document, std::string_view path) {
  const std::size_t dot = path.find('.');
  const auto value = document.find(path.substr(0, dot));
  if (!value) return {};
  if (value->type == Type::array) return {std::nullopt, true};
  if (dot == std::string_view::npos) return {value, false};
  if (value->type != Type::document) return {};
  return plain_at(value->as_document(), path.substr(dot + 1));
}

Membership as_membership(bool is_in) {
  return is_in ? Membership::in : Membership::out;
}

Membership both(Membership left, Membership right) {
  if (left == Membership::out || right == Membership::out) return Membership::out;
  return left == Membership::in ? right : left;
}

Membership equals(const std::optional<Value>& value, const Value& wanted) {
  if (wanted.type == Type::regex) return Membership::unknown;
  if (!value) return as_membership(wanted.type == Type::null);
  return as_membership(bson::is_same(*value, wanted));
}

Membership is_ordered(const std::optional<Value>& value, std::string_view name,
                      const Value& bound) {
  if (bound.type == Type::null || bound.type == Type::array) return Membership::unknown;
  if (!value || bson::rank_of(value->type) != bson::rank_of(bound.type)) return Membership::out;
  const auto order = bson::compare(*value, bound);
  if (name == "$gt") return as_membership(order > 0);
  if (name == "$gte") return as_membership(order >= 0);
  return as_membership(name == "$lt" ? order < 0 : order <= 0);
}

Membership satisfies(const std::optional<Value>& value, std::string_view name,
                     const Value& operand) {
  if (name == "$eq") return equals(value, operand);
  if (name == "$gt" || name == "$gte" || name == "$lt" || name == "$lte")
    return is_ordered(value, name, operand);
  const bool is_plain_exists = name == "$exists" && operand.type == Type::boolean;
  if (is_plain_exists) return as_membership(value.has_value() == operand.as_bool());
  return Membership::unknown;
}

Membership satisfies(Document document, std::string_view path, const Value& condition) {
  const Plain plain = plain_at(document, path);
  if (plain.has_array) return Membership::unknown;
  if (!is_operators(condition)) return equals(plain.value, condition);
  Membership all = Membership::in;
  for (const auto& each : condition.as_document())
    all = both(all, satisfies(plain.value, each.name, each.value));
  return all;
}

Membership satisfies_all(Document document, Document filter, std::size_t depth) {
  if (depth == depth_max) return Membership::unknown;
  Membership all = Membership::in;
  for (const auto& each : filter) {
    if (!each.name.starts_with('$')) {
      all = both(all, satisfies(document, each.name, each.value));
      continue;
    }
    if (each.name != "$and" || each.value.type != Type::array) {
      all = both(all, Membership::unknown);
      continue;
    }
    for (const auto& part : each.value.as_document()) {
      const bool is_filter = part.value.type == Type::document;
      all = both(all, is_filter ? satisfies_all(document, part.value.as_document(), depth + 1)
                                : Membership::unknown);
    }
  }
  return all;
}

IndexKey key_from(std::vector<Value> parts) {
  IndexKey key{std::move(parts), {}};
  for (const Value& part : key.parts) bson::append_key(part, key.bytes);
  return key;
}

}  // namespace

std::optional<UniqueIndex> UniqueIndex::of(ByteView spec) {
  UniqueIndex index(to_bytes(spec));
  const auto key = index.find("key");
  const bool is_made_with_collection = index.name() == "_id_" || index.find("clustered");
  if (!index.is_true("unique") || is_made_with_collection) return std::nullopt;
  if (!key || key->type != Type::document) return std::nullopt;
  for (const auto& field : key->as_document()) {
    if (field.value.type == Type::string) return std::nullopt;  // text, hashed, 2d
    index.fields_.emplace_back(field.name);
  }
  if (index.fields_.empty()) return std::nullopt;
  return index;
}

std::optional<Value> UniqueIndex::find(std::string_view name) const {
  return Document::trusted(spec_).find(name);
}

bool UniqueIndex::is_true(std::string_view name) const {
  const auto value = find(name);
  return value && value->type == Type::boolean && value->as_bool();
}

std::string_view UniqueIndex::name() const {
  return oplog::index_name(spec_);
}

bool UniqueIndex::has_collation() const {
  return find("collation").has_value();
}

std::optional<Document> UniqueIndex::partial_filter() const {
  const auto filter = find("partialFilterExpression");
  if (!filter || filter->type != Type::document) return std::nullopt;
  return filter->as_document();
}

bool UniqueIndex::is_like(const UniqueIndex& other) const {
  const auto has_same = [&](std::string_view name) {
    const auto mine = find(name);
    const auto theirs = other.find(name);
    return mine && theirs ? bson::is_same(*mine, *theirs) : !mine && !theirs;
  };
  return fields_ == other.fields_ && is_true("sparse") == other.is_true("sparse") &&
         has_same("partialFilterExpression") && has_same("collation");
}

Membership UniqueIndex::membership(Document document) const {
  const auto filter = partial_filter();
  return filter ? satisfies_all(document, *filter, 0) : Membership::in;
}

std::vector<IndexKey> UniqueIndex::keys_of(Document document) const {
  std::vector<std::vector<Value>> tuples(1);
  bool has_any = false;
  for (const std::string& field : fields_) {
    std::vector<Value> values;
    collect(document, field, 0, values);
    has_any = has_any || !values.empty();
    if (values.empty()) values.push_back(null_value());
    std::vector<std::vector<Value>> longer;
    for (const auto& tuple : tuples) {
      for (const Value& value : values) {
        if (longer.size() == document_keys_max) break;
        longer.push_back(tuple);
        longer.back().push_back(value);
      }
    }
    tuples = std::move(longer);
  }
  std::vector<IndexKey> keys;
  if (!has_any && is_true("sparse")) return keys;
  for (auto& tuple : tuples) keys.push_back(key_from(std::move(tuple)));
  return keys;
}

void UniqueIndex::append_keys(bson::Builder& to, const std::vector<const IndexKey*>& keys) const {
  std::size_t number = 0;
  if (fields_.size() == 1) {
    to.begin_document(fields_[0]);
    to.begin_array("$in");
    for (const IndexKey* key : keys) {
      // Would be asked for as a pattern.
      if (key->parts[0].type == Type::regex) continue;
      to.append(std::to_string(number++), key->parts[0]);
    }
    to.end();
    to.end();
    return;
  }
  to.begin_array("$or");
  for (const IndexKey* key : keys) {
    to.begin_document(std::to_string(number++));
    for (std::size_t at = 0; at < fields_.size(); ++at) {
      to.begin_document(fields_[at]);
      to.append("$eq", key->parts[at]);
      to.end();
    }
    to.end();
  }
  to.end();
}

Bytes UniqueIndex::query(const std::vector<const IndexKey*>& keys) const {
  bson::Builder query;
  const auto partial = partial_filter();
  if (!partial) {
    append_keys(query, keys);
    return query.take();
  }
  query.begin_array("$and");
  query.begin_document("0");
  append_keys(query, keys);
  query.end();
  query.append_document("1", *partial);
  query.end();
  return query.take();
}

}  // namespace holdfast::recover
