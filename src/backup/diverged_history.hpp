#pragma once
// Putting aside what a rollback has made false (docs/oplog_format.md 7.4): captured entries that
// the replica set does not have any more, and bases that hold them. Nothing is deleted: all of it
// stays under tags that recovery never uses.
//
// Bases first, then segments, false before true, the originals are removed last and from the newest
// on. Dying anywhere in between leaves a chain whose end is still false, so that the next stream
// finds the same divergence and does the rest.
#include "backup/stream_publisher.hpp"

namespace holdfast::backup {

struct DivergedCounts {
  std::size_t segments = 0;
  std::size_t bases = 0;
};

// Everything that is recorded from `false_from` on is false. The chain is reloaded before and
// after.
Result<DivergedCounts> put_aside(StreamChain& chain, StreamPublisher& publisher,
                                 oplog::Timestamp false_from);

}  // namespace holdfast::backup
