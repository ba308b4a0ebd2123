#pragma once
// One document operation while it waits to be merged with its document: in memory, in a spilled
// run, and in between. All three hold the same bytes: header, key, body.
#include "oplog/applier.hpp"

namespace holdfast::oplog {

// What must be true of the document before the operation; else it is an anomaly.
enum class Expectation : std::uint8_t { nothing, absent, present };

// Views point into memory of whoever delivers it.
struct OpRecord {
  CollectionNumber collection = 0;
  EffectKind kind = EffectKind::insert;
  Strictness strictness = Strictness::strict;
  bool is_upsert = false;
  Expectation expectation = Expectation::nothing;
  OrderKey order;
  ByteView key;   // K(_id), or any sort key
  ByteView body;  // `o`; empty for removals
};

// The record of an effect; its key is the caller's. Views point to where the effect's do.
// Capped collections expect nothing: documents age out without an entry.
OpRecord record_of(const Effect& effect, const CollectionFacts& facts);

// Docs/oplog_format.md 6.2: such an operation decides the document alone.
bool is_absolute(const OpRecord& op);

constexpr std::size_t op_header_bytes = 32;

inline std::size_t encoded_bytes(const OpRecord& op) {
  return (op_header_bytes + op.key.size() + op.body.size() + 7) & ~std::size_t{7};
}
// REQUIRES: `to` has encoded_bytes(op), aligned or not.
void encode(const OpRecord& op, std::uint8_t* to);
// Length of the whole encoding, from its header.
std::size_t encoded_bytes(const std::uint8_t* header);
OpRecord decode(CollectionNumber collection, const std::uint8_t* from);

}  // namespace holdfast::oplog
