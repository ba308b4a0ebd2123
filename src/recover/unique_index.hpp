#pragma once
// A unique index as a rule about documents: which keys a document has in it. Pure.
#include <optional>
#include <string>
#include <vector>

#include "bson/builder.hpp"

namespace holdfast::recover {

// More keys of one document are not looked at.
constexpr std::size_t document_keys_max = 1000;

// Whether a document is in a partial index. `unknown`: its filter says what we do not evaluate.
enum class Membership : std::uint8_t { in, out, unknown };

// The values of the fields of an index, valid as long as the document. A field that is not there
// counts as null.
struct IndexKey {
  std::vector<bson::Value> parts;
  Bytes bytes;  // K of each part: equal for keys that the server takes as equal, collation aside
};

// Owns its specification. Immutable.
class UniqueIndex {
 public:
  // Nothing: not unique, the index of `_id`, or of a kind that can not be unique.
  static std::optional<UniqueIndex> of(ByteView spec);

  std::string_view name() const;
  bool has_collation() const;
  std::optional<bson::Document> partial_filter() const;
  // Same fields, filter, sparseness and collation: what one forbids the other forbids.
  bool is_like(const UniqueIndex& other) const;

  // By equality, $eq, $exists, $gt, $gte, $lt, $lte and $and.
  Membership membership(bson::Document document) const;
  // None: a sparse index that does not have the document. An array has a key for each element.
  std::vector<IndexKey> keys_of(bson::Document document) const;
  // A query for the documents that have one of the keys (and maybe some more): {field: {$in: …}} or
  // {$or: …}, and the partial filter.
  Bytes query(const std::vector<const IndexKey*>& keys) const;

 private:
  explicit UniqueIndex(Bytes spec) : spec_(std::move(spec)) {}
  std::optional<bson::Value> find(std::string_view name) const;
  bool is_true(std::string_view name) const;
  void append_keys(bson::Builder& to, const std::vector<const IndexKey*>& keys) const;

  Bytes spec_;
  std::vector<std::string> fields_;
};

}  // namespace holdfast::recover
