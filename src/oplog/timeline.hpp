#pragma once
// Which moments of a dataset can be recovered: bases and segments of the oplog as values
// (docs/oplog_format.md 7.2, 7.6). A segment names its predecessor; gap, overlap and rollback are
// the only ways in which a chain can be wrong. Pure values; compare, append, ask.
#include <optional>
#include <vector>

#include "base/id.hpp"
#include "oplog/order.hpp"

namespace holdfast::oplog {

using ContentHash = Id<struct ContentHashTag>;  // SHA-256

// Facts about consecutive raw entries.
struct SegmentFacts {
  OpTime first;
  OpTime last;
  std::uint64_t entry_count = 0;
  std::uint64_t byte_count = 0;
  ContentHash content;         // of all raw entries, concatenated
  ContentHash first_entry;     // of the first raw entry
  ContentHash last_entry;      // of the last raw entry
  ContentHash previous_entry;  // last entry of the segment before; null: nothing known
  OpTime previous;             // its optime; null: nothing known
  Timestamp oldest_open;       // first entry of the oldest transaction open at the end; or {}
  friend bool operator==(const SegmentFacts&, const SegmentFacts&) = default;
};

enum class Relation : std::uint8_t {
  continuous,  // names a chain's end as its predecessor
  duplicate,   // lies inside what we have; nothing contradicts
  overlap,     // begins inside and goes on beyond: who reads skips what was there already
  gap,         // touches nothing we have
  diverged     // same or covered timestamps with other bytes or terms: rolled-back history
};
std::string_view name_of(Relation relation);

// A stretch of entries without a gap. Ends ascend strictly; a segment may begin inside the one
// before it, when two captures ran at the same time: then the entry that ends the one before must
// be found in it, with the same bytes, which only reading can tell.
struct Chain {
  std::vector<SegmentFacts> segments;
  OpTime first() const { return segments.front().first; }
  OpTime last() const { return segments.back().last; }
};

// A window of moments that can be materialised: all T with from <= T <= to.
struct Recoverable {
  Timestamp from;
  Timestamp to;
  std::size_t base = 0;   // index into the bases given
  std::size_t chain = 0;  // index into chains(); npos when only the base's own moment
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

struct Nearest {
  std::optional<Timestamp> before;
  std::optional<Timestamp> after;
};

class Timeline {
 public:
  // Segments in any order; they are sorted and joined. Errors as append().
  static Result<Timeline> make(std::vector<SegmentFacts> segments);

  // How `next` relates to the chains; gap if it touches none.
  Relation relation_of(const SegmentFacts& next) const;
  // Joins (continuous, overlap), ignores (duplicate) or opens a new chain (gap), which closes a gap
  // if its successor names it. Refuses with conflict what diverged, and what overlaps two chains or
  // the begin of one: give such ones to make(), which sorts.
  Result<Relation> append(const SegmentFacts& next);

  const std::vector<Chain>& chains() const { return chains_; }

  // One window per base, ascending by `from`. A chain serves a base if it holds the base's window
  // and, when `last` of a base lies at the chain's end, continues from there.
  std::vector<Recoverable> recoverable(const std::vector<BaseWindow>& bases) const;

  // The window to use for T: of those that hold T, the one with the newest base. Error no_point,
  // naming the nearest moments.
  Result<Recoverable> choose(const std::vector<BaseWindow>& bases, Timestamp at) const;
  Nearest nearest(const std::vector<BaseWindow>& bases, Timestamp at) const;

  // Where reading must start so that all transactions open at the base's moment are complete:
  // index of a segment of the chain (docs/oplog_format.md 4.4).
  static std::size_t first_segment_for(const Chain& chain, const BaseWindow& base);

 private:
  void join_neighbours();
  Result<Relation> append_overlap(const SegmentFacts& next);
  std::vector<Chain> chains_;
};

}  // namespace holdfast::oplog
