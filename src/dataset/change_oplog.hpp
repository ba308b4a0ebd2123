#pragma once
// A change stream in the role of an oplog, for servers whose oplog nobody may read. Its entries are
// made by oplog/change_event.hpp. Limits: docs/known-limitations.md.
#include <deque>
#include <memory>

#include "dataset/oplog_source.hpp"
#include "mongo/deployment.hpp"
#include "oplog/change_event.hpp"

namespace holdfast::dataset {

// What one answer of a server brings: at most 16 MiB of events.
struct ChangeBatch {
  std::vector<Bytes> events;                 // validated
  std::optional<oplog::Timestamp> position;  // no event before it is still to come
};

// The change stream of a whole cluster. One thread.
class ChangeFeed {
 public:
  virtual ~ChangeFeed() = default;
  // Events with clusterTime >= from. Error history_lost: the server does not reach back so far.
  virtual Result<void> open(oplog::Timestamp from) = 0;
  virtual Result<ChangeBatch> next(std::chrono::milliseconds wait_max) = 0;
  // A moment that everything committed by now is not later than.
  virtual Result<oplog::Timestamp> newest() = 0;
  virtual Result<OplogFacts> facts() = 0;
};

// The source over a feed. Each read begins with the entry at its start, a no-op where nothing
// happened: so a stream that goes on finds its last entry again, byte for byte. A start that is
// lost shows as an oldest entry behind it. Majority reads are in the nature of change streams:
// there is no divergence, and find() finds nothing.
class ChangeOplog final : public OplogSource {
 public:
  explicit ChangeOplog(std::unique_ptr<ChangeFeed> feed) : feed_(std::move(feed)) {}

  Result<void> open(oplog::Timestamp from, MemberChoice choice) override;
  Result<std::optional<ByteView>> next(std::chrono::milliseconds wait_max) override;
  Result<std::optional<SeenEntry>> oldest() override;
  Result<std::optional<SeenEntry>> newest() override;
  Result<std::optional<SeenEntry>> find(oplog::Timestamp) override {
    return std::optional<SeenEntry>();
  }
  Result<oplog::Timestamp> start_for_base() override { return feed_->newest(); }
  Result<OplogFacts> facts() override { return feed_->facts(); }

 private:
  Result<void> read(std::chrono::milliseconds wait_max);
  Result<void> take_in(const Bytes& event);
  void begin_before(oplog::Timestamp seen);

  std::unique_ptr<ChangeFeed> feed_;
  oplog::ChangeEvents changes_;
  std::deque<Bytes> ready_;
  Bytes current_;
  oplog::Timestamp start_;
  bool has_begun_ = false;  // the entry at start_ is there, or its events are
};

// Chooses a member at the first call; the Deployment must outlive it. Errors of its calls:
// unsupported for servers before 6.0 and those without change streams.
std::unique_ptr<ChangeFeed> make_live_change_feed(mongo::Deployment& deployment);

// Where a server's history is read.
enum class HistoryFrom : std::uint8_t { oplog, change_stream };

// open_live_oplog(), or a change stream in its role. Deployment and Context must outlive it.
Result<std::unique_ptr<OplogSource>> open_history(mongo::Deployment& deployment, Context& context,
                                                  HistoryFrom from);

}  // namespace holdfast::dataset
