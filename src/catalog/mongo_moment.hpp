#pragma once
// Choosing a moment of a database: what a person wrote after `--at`, and which base and segments
// give it. Pure values.
#include <string>

#include "oplog/timeline.hpp"

namespace holdfast::catalog {

enum class MomentKind : std::uint8_t {
  newest,       // "last"
  entry,        // "1795474008,285": up to this entry, included
  whole_second  // a time of day: including all of that second
};

struct Moment {
  MomentKind kind = MomentKind::newest;
  oplog::Timestamp at = oplog::timestamp_max;
};

// "last", "SECONDS,ORDINAL", or a time: "2025-11-09T14:20:31Z", also with a blank for the T,
// without seconds (:00), and without a zone (UTC). Error: usage.
Result<Moment> parse_moment(std::string_view text);

// "1795474008,285", "2026-11-23T22:46:48Z, including all of that second".
std::string describe(const Moment& moment);

// What was chosen: the base, the chain and the moment to compute.
struct MomentChoice {
  oplog::Recoverable window;
  oplog::Timestamp at;
};

// Error no_point: the message names the nearest possible moments, as numbers and as times.
Result<MomentChoice> choose_moment(const oplog::Timeline& timeline,
                                   const std::vector<oplog::BaseWindow>& bases,
                                   const Moment& moment);

// "1795474008,285 (2026-11-23T22:46:48Z)"
std::string describe(oplog::Timestamp at);

}  // namespace holdfast::catalog
