#pragma once
// Cutting a collection into stretches of `_id` that are read side by side. Pure but for asking for
// samples.
//
// A server compares only values of one kind ({_id: {$lt: 5}} finds no text), so all bounds are of
// one kind, and what is of none of its stretches (other kinds, NaN) is a stretch of its own, the
// `rest`: the negation of the others, so that no document can fall between.
#include <optional>

#include "dataset/mongo_collection.hpp"
#include "mongo/connection.hpp"

namespace holdfast::dataset {

constexpr std::size_t ranges_max = 4096;  // of one collection

enum class RangeKind : std::uint8_t {
  everything,  // one cursor
  between,     // from lower on, below upper; one of them can be open
  rest         // neither below the first bound nor from it on
};

struct IdRange {
  RangeKind kind = RangeKind::everything;
  Bytes filter;     // of find; empty: none
  Bytes lower_key;  // K(_id); empty: open
  Bytes upper_key;

  // Whether a server that understood the filter gives this document.
  bool may_hold(ByteView key) const;
};

// Bounds are documents {_id: value}, in any order; those of another kind than most of them are
// dropped, so are equal ones. In the order of K(_id), but for the rest, which comes last and whose
// documents lie before and behind all others. No usable bound: everything.
std::vector<IdRange> ranges_between(const std::vector<Bytes>& bounds);
// Those that ranges_between() uses, in order.
std::vector<Bytes> usable_bounds(const std::vector<Bytes>& bounds);

struct CollectionSize {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};
// An estimate; nothing if the server does not tell.
Result<std::optional<CollectionSize>> estimate_size(mongo::Connection& connection,
                                                    const MongoCollection& collection);
// What the server counts (`count`); nothing if it does not.
Result<std::optional<std::uint64_t>> count_documents(mongo::Connection& connection,
                                                     const MongoCollection& collection);
// Bounds that cut the collection into about `count` equal parts, by random samples. None where the
// server can not sample.
Result<std::vector<Bytes>> sample_bounds(mongo::Connection& connection,
                                         const MongoCollection& collection, std::size_t count);

}  // namespace holdfast::dataset
