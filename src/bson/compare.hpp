#pragma once
// The server's order of BSON values (docs/oplog_format.md 8.1), without building keys where that is
// cheap. Agrees with memcmp of key_of(). Pure; any thread.
#include <compare>

#include "bson/view.hpp"

namespace holdfast::bson {

// REQUIRES: both values belong to validated documents.
std::weak_ordering compare(const Value& left, const Value& right);

// memcmp order with a proper prefix first: the order of keys.
std::weak_ordering compare_bytes(ByteView left, ByteView right);

// Identity as the server sees it: {_id: 1} and {_id: 1.0} are one document.
inline bool is_same(const Value& left, const Value& right) {
  return compare(left, right) == 0;
}

}  // namespace holdfast::bson
