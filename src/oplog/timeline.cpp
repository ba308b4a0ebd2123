#include "oplog/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace holdfast::oplog {

namespace {

// How `next` relates to the chain that ends with `end`, when both cover the same timestamps.
Relation relation_of_covered(const Chain& chain, const SegmentFacts& next) {
  for (const SegmentFacts& segment : chain.segments) {
    if (segment.first.ts == next.first.ts && segment.first_entry != next.first_entry)
      return Relation::diverged;
    if (segment.last.ts == next.last.ts && segment.last_entry != next.last_entry)
      return Relation::diverged;
    if (segment.last.ts == next.first.ts && segment.last_entry != next.first_entry)
      return Relation::diverged;
    if (segment.first.ts == next.last.ts && segment.first_entry != next.last_entry)
      return Relation::diverged;
    const bool is_same_range = segment.first.ts == next.first.ts && segment.last.ts == next.last.ts;
    if (is_same_range && segment.content != next.content) return Relation::diverged;
  }
  if (next.last.term < chain.last().term && next.last.ts > chain.last().ts)
    return Relation::diverged;
  return next.last.ts <= chain.last().ts ? Relation::duplicate : Relation::overlap;
}

bool names_as_previous(const SegmentFacts& segment, const SegmentFacts& before) {
  return segment.previous == before.last && segment.previous_entry == before.last_entry;
}

Relation relation_to_chain(const Chain& chain, const SegmentFacts& next) {
  const SegmentFacts& end = chain.segments.back();
  if (next.first.ts > end.last.ts) {
    if (next.first.term < end.last.term) return Relation::diverged;
    if (names_as_previous(next, end)) return Relation::continuous;
    const bool names_other =
        next.previous.ts == end.last.ts && next.previous_entry != end.last_entry;
    return names_other ? Relation::diverged : Relation::gap;
  }
  if (next.last.ts < chain.first().ts)
    return next.last.term > chain.first().term ? Relation::diverged : Relation::gap;
  return relation_of_covered(chain, next);
}

bool serves(const Chain& chain, const BaseWindow& base) {
  if (base.kind == BaseKind::fuzzy)
    return chain.first().ts <= base.first && base.last <= chain.last().ts;
  // An exact base needs all entries after its moment: the chain must hold that entry, or one
  // before it.
  const bool begins_in_time =
      chain.first().ts <= base.last || chain.segments.front().previous.ts == base.last;
  return begins_in_time && base.last <= chain.last().ts;
}

std::string moments_text(const Nearest& nearest) {
  if (!nearest.before && !nearest.after) return "no moment can be recovered";
  if (!nearest.before)
    return fmt::format("the next possible moment is {}", to_text(*nearest.after));
  if (!nearest.after)
    return fmt::format("the last possible moment before is {}", to_text(*nearest.before));
  return fmt::format("the nearest possible moments are {} and {}", to_text(*nearest.before),
                     to_text(*nearest.after));
}

}  // namespace

std::string_view name_of(Relation relation) {
  switch (relation) {
    case Relation::continuous:
      return "continuous";
    case Relation::duplicate:
      return "duplicate";
    case Relation::overlap:
      return "overlap";
    case Relation::gap:
      return "gap";
    case Relation::diverged:
      return "diverged";
  }
  return "unknown";
}

Result<Timeline> Timeline::make(std::vector<SegmentFacts> segments) {
  // Of those that begin together the longest comes first: the others lie inside it.
  std::stable_sort(segments.begin(), segments.end(), [](const auto& left, const auto& right) {
    return std::pair(left.first.ts, right.last.ts) < std::pair(right.first.ts, left.last.ts);
  });
  Timeline timeline;
  for (const SegmentFacts& segment : segments) TRY(timeline.append(segment));
  return timeline;
}

Relation Timeline::relation_of(const SegmentFacts& next) const {
  // A chain that `next` touches decides; else it stands in a gap.
  for (const auto& chain : std::views::reverse(chains_)) {
    const auto relation = relation_to_chain(chain, next);
    if (relation != Relation::gap) return relation;
  }
  return Relation::gap;
}

Result<Relation> Timeline::append(const SegmentFacts& next) {
  const auto relation = relation_of(next);
  switch (relation) {
    case Relation::duplicate:
      return relation;
    case Relation::continuous:
    case Relation::gap: {
      const auto place = std::find_if(chains_.begin(), chains_.end(), [&](const Chain& chain) {
        return next.first.ts < chain.first().ts;
      });
      chains_.insert(place, Chain{{next}});
      join_neighbours();
      return relation;
    }
    case Relation::overlap:
      return append_overlap(next);
    case Relation::diverged:
      break;
  }
  return fail(ErrorCode::conflict,
              fmt::format("segment {} to {} contradicts what is there: one of the two was rolled "
                          "back",
                          to_text(next.first.ts), to_text(next.last.ts)));
}

Result<Relation> Timeline::append_overlap(const SegmentFacts& next) {
  const auto chain = std::find_if(chains_.rbegin(), chains_.rend(), [&](const Chain& candidate) {
    return candidate.first().ts <= next.first.ts && next.first.ts <= candidate.last().ts;
  });
  const bool reaches_next = chain != chains_.rend() && chain != chains_.rbegin() &&
                            std::prev(chain)->first().ts <= next.last.ts;
  if (chain == chains_.rend() || reaches_next)
    return fail(ErrorCode::conflict,
                fmt::format("segment {} to {} overlaps what is there and goes on beyond",
                            to_text(next.first.ts), to_text(next.last.ts)));
  chain->segments.push_back(next);
  join_neighbours();
  return Relation::overlap;
}

void Timeline::join_neighbours() {
  for (std::size_t at = 1; at < chains_.size();) {
    auto& before = chains_[at - 1].segments;
    auto& segments = chains_[at].segments;
    if (!names_as_previous(segments.front(), before.back())) {
      ++at;
      continue;
    }
    before.insert(before.end(), segments.begin(), segments.end());
    chains_.erase(chains_.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

std::vector<Recoverable> Timeline::recoverable(const std::vector<BaseWindow>& bases) const {
  std::vector<Recoverable> windows;
  for (std::size_t base = 0; base < bases.size(); ++base) {
    const auto chain = std::find_if(chains_.begin(), chains_.end(), [&](const Chain& candidate) {
      return serves(candidate, bases[base]);
    });
    if (chain != chains_.end()) {
      windows.push_back({bases[base].last, chain->last().ts, base,
                         static_cast<std::size_t>(chain - chains_.begin())});
    } else if (bases[base].kind != BaseKind::fuzzy) {
      windows.push_back({bases[base].last, bases[base].last, base, Recoverable::npos});
    }
  }
  std::sort(windows.begin(), windows.end(),
            [](const auto& left, const auto& right) { return left.from < right.from; });
  return windows;
}

Nearest Timeline::nearest(const std::vector<BaseWindow>& bases, Timestamp at) const {
  Nearest nearest;
  for (const Recoverable& window : recoverable(bases)) {
    if (window.from <= at) {
      const auto before = std::min(window.to, at);
      if (!nearest.before || *nearest.before < before) nearest.before = before;
    } else if (!nearest.after || window.from < *nearest.after) {
      nearest.after = window.from;
    }
  }
  return nearest;
}

std::size_t Timeline::first_segment_for(const Chain& chain, const BaseWindow& base) {
  const auto segment_of = [&](Timestamp ts) {
    std::size_t at = 0;
    while (at + 1 < chain.segments.size() && chain.segments[at].last.ts < ts) ++at;
    return at;
  };
  const std::size_t at = segment_of(base.kind == BaseKind::fuzzy ? base.first : base.last);
  if (at == 0) return 0;
  const Timestamp open = chain.segments[at - 1].oldest_open;
  return open == Timestamp{} ? at : std::min(at, segment_of(open));
}

Result<Recoverable> Timeline::choose(const std::vector<BaseWindow>& bases, Timestamp at) const {
  std::optional<Recoverable> chosen;
  for (const Recoverable& window : recoverable(bases)) {
    const bool holds = window.from <= at && at <= window.to;
    if (holds && (!chosen || chosen->from <= window.from)) chosen = window;
  }
  if (chosen) return *chosen;
  return fail(ErrorCode::no_point, fmt::format("no recoverable state at {}: {}", to_text(at),
                                               moments_text(nearest(bases, at))));
}

}  // namespace holdfast::oplog
