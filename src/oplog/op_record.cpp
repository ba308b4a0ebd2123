#include "oplog/op_record.hpp"

namespace holdfast::oplog {

namespace {

// Little-endian: key bytes u32, body bytes u32, kind u8, flags u8, zero u16, order key 5 x u32.
constexpr std::uint8_t flag_relaxed = 1;
constexpr std::uint8_t flag_upsert = 2;
constexpr int expectation_shift = 2;

std::uint8_t flags_of(const OpRecord& op) {
  const auto expectation = static_cast<unsigned>(op.expectation) << expectation_shift;
  return static_cast<std::uint8_t>((op.strictness == Strictness::relaxed ? flag_relaxed : 0U) |
                                   (op.is_upsert ? flag_upsert : 0U) | expectation);
}

}  // namespace

OpRecord record_of(const Effect& effect, const CollectionFacts& facts) {
  OpRecord op;
  op.collection = effect.collection;
  op.kind = effect.kind;
  op.strictness = effect.strictness;
  op.is_upsert = effect.is_upsert;
  op.order = effect.order;
  const bool expects_nothing = effect.is_upsert || facts.is_capped();
  if (!expects_nothing)
    op.expectation = effect.kind == EffectKind::insert ? Expectation::absent : Expectation::present;
  if (effect.kind != EffectKind::remove) op.body = effect.body.bytes();
  return op;
}

bool is_absolute(const OpRecord& op) {
  if (op.is_upsert) return false;
  switch (op.kind) {
    case EffectKind::insert:
    case EffectKind::remove:
      return true;
    case EffectKind::replace:
      return bson::Document::trusted(op.body).find("_id").has_value();
    case EffectKind::delta:
    case EffectKind::modifiers:
      break;
  }
  return false;
}

void encode(const OpRecord& op, std::uint8_t* to) {
  store_le(to, static_cast<std::uint32_t>(op.key.size()));
  store_le(to + 4, static_cast<std::uint32_t>(op.body.size()));
  to[8] = static_cast<std::uint8_t>(op.kind);
  to[9] = flags_of(op);
  to[10] = 0;
  to[11] = 0;
  store_le(to + 12, op.order.effective.seconds);
  store_le(to + 16, op.order.effective.ordinal);
  store_le(to + 20, op.order.entry.seconds);
  store_le(to + 24, op.order.entry.ordinal);
  store_le(to + 28, op.order.index);
  if (!op.key.empty()) std::memcpy(to + op_header_bytes, op.key.data(), op.key.size());
  if (!op.body.empty())
    std::memcpy(to + op_header_bytes + op.key.size(), op.body.data(), op.body.size());
}

std::size_t encoded_bytes(const std::uint8_t* header) {
  const std::size_t content =
      std::size_t{load_le<std::uint32_t>(header)} + load_le<std::uint32_t>(header + 4);
  return (op_header_bytes + content + 7) & ~std::size_t{7};
}

OpRecord decode(CollectionNumber collection, const std::uint8_t* from) {
  const auto word = [&](std::size_t at) { return load_le<std::uint32_t>(from + at); };
  OpRecord op;
  op.collection = collection;
  op.kind = static_cast<EffectKind>(from[8]);
  op.strictness = (from[9] & flag_relaxed) != 0 ? Strictness::relaxed : Strictness::strict;
  op.is_upsert = (from[9] & flag_upsert) != 0;
  op.expectation = static_cast<Expectation>(from[9] >> expectation_shift);
  op.order = {{word(12), word(16)}, {word(20), word(24)}, word(28)};
  op.key = {from + op_header_bytes, word(0)};
  op.body = {from + op_header_bytes + word(0), word(4)};
  return op;
}

}  // namespace holdfast::oplog
