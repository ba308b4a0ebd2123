#pragma once
// Capturing the oplog of a replica set for as long as somebody wants: entries become segments, and
// every few seconds a segment becomes a companion snapshot, from which on it survives everything
// (docs/oplog_format.md 7, docs/mongodump_format.md 4).
//
// An entry that can not be replayed ends the chain before it and begins a new one, so that nobody
// is promised a moment that can not be computed.
//
// It goes on exactly where the recorded chain of the dataset ends. Where that is impossible, it
// says which window is lost, begins a new chain and has a new base taken.
#include <functional>
#include <memory>

#include "backup/stream_publisher.hpp"
#include "catalog/server_identity.hpp"
#include "catalog/snapshot_author.hpp"
#include "dataset/oplog_tail.hpp"
#include "oplog/timeline.hpp"
#include "repo/writer.hpp"

namespace holdfast::backup {

// Why a base is needed.
enum class BaseReason : std::uint8_t { none_yet, gap, diverged, not_understood };
std::string_view name_of(BaseReason reason);  // "there is no base yet", …
struct BaseRequest {
  BaseReason reason = BaseReason::none_yet;
  oplog::OpTime lost_after;     // last entry before a gap; null: nothing is lost
  oplog::Timestamp lost_until;  // where the new chain begins; moments from the new base on exist
};
// Takes a base of the dataset and publishes it, with what it needs of the oplog. It is called on
// the thread of the stream, which goes on afterwards from what is recorded then. It may load the
// index of the repository anew. After an error (but interrupted and denied) the stream goes on
// capturing and calls it again later.
using TakeBase = std::function<Result<void>(const BaseRequest&)>;

// Where the stream is. Plain value.
struct StreamStatus {
  std::optional<oplog::OpTime> recorded;  // newest entry that is published
  std::optional<oplog::OpTime> captured;  // newest entry that was read
  std::optional<oplog::Timestamp> server_newest;
  std::optional<oplog::Timestamp> server_oldest;
  std::string member;  // "host:port"
  std::uint64_t entry_count = 0;
  std::uint64_t byte_count = 0;
  std::uint64_t publication_count = 0;
  std::uint64_t roll_up_count = 0;
  std::uint64_t reconnect_count = 0;
  std::uint64_t gap_count = 0;
  std::uint64_t divergence_count = 0;
  std::uint64_t refused_count = 0;  // entries that nobody could replay
  std::uint64_t base_count = 0;     // taken because of this stream
  // From when an entry was read until its segment was published: the achieved recovery point.
  std::chrono::milliseconds exposure{};  // of the last publication
  std::chrono::milliseconds exposure_max{};
};

struct StreamOptions {
  std::string dataset;
  catalog::SnapshotAuthor author;
  std::vector<std::string> tags;
  catalog::OtherServer other_server = catalog::OtherServer::refuse;
  std::chrono::milliseconds segment_age_max{10'000};     // a segment is published at this age
  std::size_t segment_bytes_max = std::size_t{8} << 20;  // or at this size; at most 8 MiB
  std::optional<std::chrono::seconds> for_seconds;       // nothing: until context.stop
  // Ends, published, as soon as an entry at or after this is captured (a backup catches up so).
  std::optional<oplog::Timestamp> until;
  std::size_t roll_up_count = 64;  // small companions that become one
  // Warn when the server's oplog, which is being overwritten, reaches back less than this behind
  // what is captured.
  std::chrono::seconds headroom_min{3600};
  dataset::TailOptions tail;
  PublishPolicy publish;                 // tries that fail: repeated, a warning each, then given up
  std::uint32_t bases_in_a_row_max = 3;  // that did not help; then history_lost
  TakeBase take_base;                    // empty: a note where one is needed
  std::function<void(const StreamStatus&)> on_status;  // after each publication and when idle
  repo::WriterOptions writer;
};

struct StreamResult {
  StreamStatus status;
  std::vector<std::string> notes;  // gaps and divergences, a sentence each
};

// The caller holds a shared lock on the repository. Ends with what is captured published: when the
// context says stop (a result, no error), after for_seconds, or with an Error. Errors: usage,
// refused (the dataset records another server), unsupported (no oplog), denied, server_unreachable,
// history_lost, those of the store.
Result<StreamResult> stream_mongo(repo::Repository& repository, dataset::OplogSource& source,
                                  const StreamOptions& options);

}  // namespace holdfast::backup
