#pragma once
// Publishing for a stream: a store that is away or full for a while costs time, not the stream.
#include <functional>

#include "backup/segment_snapshot.hpp"
#include "backup/stream_chain.hpp"

namespace holdfast::backup {

// Tries that fail are repeated with growing waits, a warning each, then given up.
struct PublishPolicy {
  std::uint32_t attempts_max = 10;
  std::chrono::milliseconds back_off_first{500};
  std::chrono::milliseconds back_off_max{60'000};
};

// One thread. The repository must outlive it, with its index loaded.
class StreamPublisher {
 public:
  // Who the snapshots are from; their time is when they are published.
  StreamPublisher(repo::Repository& repository, catalog::DatasetLabel label, PublishPolicy policy,
                  repo::WriterOptions writer);

  // Fills a snapshot and publishes it. `fill` is called once for each try. Nothing: it added none.
  using Fill = std::function<Result<void>(SegmentSnapshot&, repo::Writer&)>;
  Result<std::optional<Companion>> publish(std::string_view kind, const Fill& fill);
  // The same for other work on the repository.
  Result<void> insist(std::string_view doing, const std::function<Result<void>()>& work);

  repo::Repository& repository() const { return repository_; }

 private:
  Result<std::optional<Companion>> try_publish(std::string_view kind, const Fill& fill);
  void pause(std::chrono::milliseconds span);

  repo::Repository& repository_;
  catalog::DatasetLabel label_;
  PublishPolicy policy_;
  repo::WriterOptions writer_;
};

// Puts a segment that is recorded into another snapshot, without storing its bytes again where that
// is possible.
Result<void> add_recorded(const oplog::SegmentFacts& facts, const StreamChain& from,
                          SegmentSnapshot& to, repo::Writer& writer);

}  // namespace holdfast::backup
