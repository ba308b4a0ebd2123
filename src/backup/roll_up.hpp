#pragma once
// Many small companion snapshots of a stream become one, so that a dataset captured for a year has
// hundreds of them and not millions. Entries stay as they are; small segments are merged.
//
// The new companion is published before the old ones are removed. Dying in between leaves the same
// entries twice, which does no harm (oplog::Timeline) and is cleaned up by the next roll-up.
#include "backup/stream_publisher.hpp"

namespace holdfast::backup {

// A companion with as many segments is large enough.
constexpr std::size_t roll_up_segments_max = 64;
// A segment of this size is kept as it is.
constexpr std::uint64_t roll_up_segment_bytes = std::uint64_t{4} << 20;

struct RollUpCounts {
  std::size_t companions_replaced = 0;
  std::size_t companions_made = 0;
  std::size_t companions_superseded = 0;  // left over by one that was interrupted
};

// Looks at what the repository has now (chain.reload()), then rolls up each run of more than
// `count_max` small companions that continue each other. Errors: those of the repository; corrupt
// when a segment is not what its list says: then nothing of that run is changed.
Result<RollUpCounts> roll_up(StreamChain& chain, StreamPublisher& publisher, std::size_t count_max);

}  // namespace holdfast::backup
