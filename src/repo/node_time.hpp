#pragma once
// The times inside trees, snapshots and locks: RFC 3339 text that keeps its UTC offset, so that
// what was read is written again byte for byte (docs/repository_format.md A9 "Time strings").
#include "base/time_text.hpp"
#include "repo/node.hpp"

namespace holdfast::repo {

// Go's zero time, 0001-01-01T00:00:00Z: what restic writes for a time it does not have. Readers of
// this folder give it to fields that are missing.
constexpr std::int64_t unknown_time_seconds = -62135596800;
constexpr NodeTime unknown_time{unknown_time_seconds, 0, 0};

// Longest text: 0000-00-00T00:00:00.000000000+00:00.
constexpr std::size_t node_time_text_bytes_max = 35;

// `offset` local: the offset of the machine's time zone valid at that instant, as restic does.
NodeTime make_node_time(std::int64_t seconds, std::uint32_t nanoseconds, TimeOffset offset);
NodeTime make_node_time(WallTime time, TimeOffset offset = TimeOffset::utc);
// Clamped to what WallTime can hold (years 1678 to 2262).
WallTime to_wall_time(const NodeTime& time);

// Writes the text to `out`, which has room for node_time_text_bytes_max; returns its length.
std::size_t write_node_time(const NodeTime& time, char* out);
std::string format_node_time(const NodeTime& time);

// Accepts 0..9 fraction digits (more are cut), 'Z' or an offset, lower-case letters.
Result<NodeTime> parse_node_time(std::string_view text);

}  // namespace holdfast::repo
