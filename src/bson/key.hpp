#pragma once
// K(value): bytes whose memcmp order is the server's order of BSON values, and whose equality is
// the server's equality across all types (1, 1L, 1.0 and decimal 1.00 give the same key).
// Layout: docs/oplog_format.md 8.4. Self-delimiting and prefix-free within a type. Pure; any
// thread.
#include "bson/view.hpp"

namespace holdfast::bson {

// Appends K(value). REQUIRES: the value belongs to a validated document.
void append_key(const Value& value, Bytes& to);
Bytes key_of(const Value& value);

// First byte of the keys of a type; all numbers share one. Orders values of different kinds.
std::uint8_t rank_of(Type type);

}  // namespace holdfast::bson
