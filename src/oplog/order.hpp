#pragma once
// The coordinates of a history: which collection (Uuid), and where in the one total order of
// effects (OrderKey). Formulas: docs/oplog_format.md section 0 point 5, section 4.3. Plain values.
#include <array>
#include <compare>
#include <string>

#include "bson/view.hpp"

namespace holdfast::oplog {

using bson::Timestamp;

constexpr Timestamp timestamp_max{0xFFFFFFFF, 0xFFFFFFFF};

// "1795474008,285", the form that `--at` takes.
std::string to_text(Timestamp ts);

// The identity of a collection; names come and go (docs/oplog_format.md 5.1).
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const Uuid&, const Uuid&) = default;

  bool is_null() const { return *this == Uuid{}; }
  std::string hex() const { return to_hex(bytes); }  // 32 digits, as mongodump writes it
  // From a BSON binary of subtype 4 and 16 bytes.
  static Result<Uuid> from_value(const bson::Value& value);
  // 32 hex digits, with or without the four dashes.
  static Result<Uuid> parse(std::string_view text);
};

struct UuidHash {
  std::size_t operator()(const Uuid& uuid) const {
    return load_le<std::uint64_t>(uuid.bytes.data()) ^
           load_le<std::uint64_t>(uuid.bytes.data() + 8);
  }
};

// Timestamp and election term of one entry. The null value is {0,0} with term -1.
struct OpTime {
  Timestamp ts;
  std::int64_t term = -1;
  friend auto operator<=>(const OpTime&, const OpTime&) = default;
  bool is_null() const { return ts == Timestamp{}; }
};

// Position of one effect. `effective` decides what is visible at T; it differs from `entry` only
// for prepared transactions (their commitTimestamp).
struct OrderKey {
  Timestamp effective;
  Timestamp entry;
  std::uint32_t index = 0;
  friend auto operator<=>(const OrderKey&, const OrderKey&) = default;
};

// How a base was taken decides which effects it already holds (docs/oplog_format.md 0, 4.6).
enum class BaseKind : std::uint8_t {
  exact,      // snapshot read: all effects with effective <= last, and no other
  file_copy,  // checkpoint: all effects with entry <= last
  fuzzy       // copied during writes between first and last: RELAXED up to last, then STRICT
};

// `first` = newest entry before the copy began, `last` = newest entry after it ended. Equal for
// exact bases.
struct BaseWindow {
  BaseKind kind = BaseKind::exact;
  Timestamp first;
  Timestamp last;
};

// RELAXED absorbs what a fuzzy base makes legal; STRICT takes every anomaly as proof of a gap
// (docs/oplog_format.md 2.2).
enum class Strictness : std::uint8_t { strict, relaxed };

}  // namespace holdfast::oplog
