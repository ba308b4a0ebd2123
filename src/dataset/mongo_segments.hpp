#pragma once
// The oplog of a dataset as stored segments: their list in `.holdfast/segments.json`, and taking in
// a stream of entries of which some may be stored already (docs/oplog_format.md 7.2 to 7.6).
#include <functional>

#include "dataset/mongo_stream.hpp"
#include "oplog/segment.hpp"

namespace holdfast::dataset {

constexpr std::string_view segments_path = ".holdfast/segments.json";
constexpr std::size_t segment_bytes_max = std::size_t{8} << 20;  // one larger entry makes more
constexpr std::size_t segment_bytes_limit = segment_bytes_max + bson::document_bytes_max;
constexpr std::size_t segments_json_bytes_max = std::size_t{64} << 20;

// "segments/1795474008.285-1795474010.533.bson", digits padded so that names sort by time.
std::string segment_path(const oplog::SegmentFacts& facts);

std::string encode_segments(std::string_view dataset,
                            const std::vector<oplog::SegmentFacts>& segments);
// Errors: malformed, unsupported.
Result<std::vector<oplog::SegmentFacts>> decode_segments(std::string_view json);

// One segment in the repository and where to load it from.
struct StoredSegment {
  oplog::SegmentFacts facts;
  std::string snapshot;  // id of the snapshot that holds it
};
// Ascending by begin, the longest first; of several records of the same entries the one that knows
// its predecessor stays.
std::vector<StoredSegment> sort_segments(std::vector<StoredSegment> segments);
// Sorted ones, without those whose entries others hold as well.
std::vector<StoredSegment> without_covered(std::vector<StoredSegment> segments);

// Adds those entries of a segment to a scan that are later than `behind`.
Result<void> scan_behind(ByteView bytes, oplog::Timestamp behind, oplog::SegmentScan& scan);

// What an intake found, for a person.
struct IntakeReport {
  std::uint64_t entry_count = 0;  // in the stream
  std::uint64_t known_count = 0;  // were stored already, with the same bytes
  std::uint64_t new_count = 0;
  std::uint64_t new_segment_count = 0;
  std::optional<oplog::OpTime> first;
  std::optional<oplog::OpTime> last;
  std::vector<std::string> gaps;  // sentences: between which moments history is missing
};

// Compares a stream with what is stored, entry by entry, and cuts what is new into segments. One
// thread. A no-op may be missing on either side: mongodump leaves no-ops out.
class SegmentIntake {
 public:
  using Load = std::function<Result<Bytes>(const StoredSegment&)>;
  using Save = std::function<Result<void>(const oplog::SegmentFacts&, ByteView)>;
  // Why no moment behind an entry can be computed; nothing: it can.
  using Refuse = std::function<std::optional<std::string>(ByteView entry)>;
  // `stored` as sort_segments() gives them. With `refuse` a new entry that it refuses begins a new
  // chain, so that nobody is promised what lies behind it.
  SegmentIntake(std::vector<StoredSegment> stored, Load load, Save save, Refuse refuse = {});

  // Error conflict: the stream and what is stored contradict each other, so that one of them was
  // rolled back; the message names the last common entry.
  Result<void> add(ByteView entry);
  Result<void> finish();
  const IntakeReport& report() const { return report_; }

 private:
  // A stored segment that the stream is passing through.
  struct Passage {
    Bytes bytes;
    std::unique_ptr<BsonBytes> entries;
    std::optional<ByteView> head;  // next stored entry
  };

  Result<void> leave_passed_segments(const oplog::OpTime& time);
  Result<void> enter(std::size_t segment);
  Result<void> compare(ByteView entry, const oplog::OpTime& time);
  Result<void> skip_missing(std::optional<oplog::Timestamp> until);
  Result<void> begin_chain_if_refused(ByteView entry, const oplog::OpTime& time);
  Result<void> append_new(ByteView entry, const oplog::OpTime& time);
  Result<void> start_segment(const oplog::OpTime& time);
  Result<oplog::SegmentScan> scan_after(std::size_t segment) const;
  Result<void> flush();
  Result<void> bridge();
  bool is_joined(std::size_t segment) const;
  tl::unexpected<Error> diverged(oplog::Timestamp at) const;

  std::vector<StoredSegment> stored_;
  Load load_;
  Save save_;
  Refuse refuse_;
  IntakeReport report_;
  oplog::OrderCheck order_;
  std::optional<oplog::OpTime> common_;  // last entry that both have
  std::size_t at_ = 0;                   // first stored segment that ends at or after the stream
  std::optional<Passage> passage_;
  std::optional<oplog::SegmentScan> scan_;  // of the new segment that is growing
  Bytes pending_;
};

}  // namespace holdfast::dataset
