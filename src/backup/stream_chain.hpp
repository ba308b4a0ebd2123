#pragma once
// The recorded oplog of a dataset as a stream needs it: the newest chain and what lies in which
// companion snapshot, kept up to date while the stream publishes.
#include "catalog/recorded_segments.hpp"
#include "catalog/server_identity.hpp"
#include "dataset/oplog_tail.hpp"
#include "oplog/timeline.hpp"

namespace holdfast::backup {

// A companion snapshot with its segments, ascending.
struct Companion {
  repo::StoredSnapshot stored;
  std::vector<oplog::SegmentFacts> segments;
};
struct TimedBase {
  repo::StoredSnapshot stored;
  oplog::BaseWindow window;
};

// One thread. The repository must outlive it.
class StreamChain final : public dataset::CapturedHistory {
 public:
  StreamChain(repo::Repository& repository, std::string dataset)
      : repository_(repository), dataset_(std::move(dataset)) {}

  // Lists the snapshots, then loads the index. Errors: conflict (what is recorded contradicts
  // itself), those of reading.
  Result<void> reload();

  // The newest chain; empty: nothing is recorded.
  const std::vector<oplog::SegmentFacts>& segments() const { return chain_; }
  std::optional<dataset::SeenEntry> last() const;
  // Whose history the dataset holds, as its newest snapshot says.
  const catalog::ServerIdentity& server() const { return server_; }
  // Oldest first, by their first entry.
  const std::vector<Companion>& companions() const { return companions_; }
  const std::vector<TimedBase>& bases() const { return bases_; }
  // Whether a base can be brought up to the end of the newest chain.
  bool serves_a_base() const;
  // From where on the newest base needs entries; nothing: no base knows its time.
  std::optional<oplog::Timestamp> start_of_newest_base() const;

  // What was published behind the end.
  void add(Companion companion);

  Result<Bytes> load(const oplog::SegmentFacts& facts) const;  // checks the content
  // The blobs of a segment as the repository has them, and the companion's files.
  Result<std::vector<repo::BlobId>> content_of(const oplog::SegmentFacts& facts) const;

  // A scan for the segment behind number `segment` of the chain; it knows which transactions are
  // open there.
  Result<oplog::SegmentScan> scan_after(std::size_t segment) const;
  Result<oplog::SegmentScan> scan_at_end() const;

  // Entries that are captured and not published yet are a last piece of the history. Nothing else
  // may move or free them.
  void watch_pending(const Bytes* pending) { pending_ = pending; }
  std::size_t piece_count() const override;
  dataset::SeenEntry last_of(std::size_t piece) const override;
  Result<std::vector<dataset::SeenEntry>> entries_of(std::size_t piece) override;

 private:
  Result<std::vector<oplog::SegmentFacts>> segments_of(const repo::StoredSnapshot& stored) const;
  Result<std::optional<oplog::BaseWindow>> window_of(const repo::StoredSnapshot& stored) const;
  Result<const Companion*> companion_with(const oplog::SegmentFacts& facts) const;
  bool has_pending() const { return pending_ != nullptr && !pending_->empty(); }

  repo::Repository& repository_;
  std::string dataset_;
  std::vector<Companion> companions_;
  std::vector<TimedBase> bases_;
  catalog::ServerIdentity server_;
  std::vector<oplog::SegmentFacts> chain_;
  const Bytes* pending_ = nullptr;
};

// All entries of concatenated ones.
Result<std::vector<dataset::SeenEntry>> seen_entries_of(ByteView entries);

}  // namespace holdfast::backup
