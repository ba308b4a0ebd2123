#include "backup/next_base.hpp"

#include <fmt/format.h>

namespace holdfast::backup {

namespace {

// In a row; a backup that can not reach the server is over sooner than a stream.
constexpr std::uint32_t catch_up_failures_max = 8;
constexpr std::uint32_t publish_attempts_max = 3;
constexpr int full_attempts_max = 2;

// What keeps a base from being computed, but not from being read from the server.
bool needs_the_server(ErrorCode code) {
  return code == ErrorCode::no_point || code == ErrorCode::history_lost ||
         code == ErrorCode::anomaly || code == ErrorCode::unsupported ||
         code == ErrorCode::conflict || code == ErrorCode::malformed;
}

// Records the oplog up to what the server has now.
Result<Recorded> catch_up(repo::Repository& repository, mongo::Deployment& deployment,
                          const NextBaseOptions& options) {
  const auto source =
      TRY(dataset::open_history(deployment, repository.context(), options.full.history));
  const auto newest = TRY(source->newest());
  if (!newest) return Recorded{};
  StreamOptions stream;
  stream.dataset = options.full.dataset;
  stream.author = options.full.author;
  stream.other_server = options.full.other_server;
  stream.until = newest->time.ts;
  stream.tail.failures_max = catch_up_failures_max;
  // Somebody waits for the end of a backup: unlike a stream it does not sit out a full store.
  stream.publish.attempts_max = publish_attempts_max;
  stream.writer = options.full.writer;
  const auto caught_up = TRY(stream_mongo(repository, *source, stream));
  return Recorded{caught_up.status.byte_count, caught_up.status.entry_count};
}

Result<SyntheticResult> compute(repo::Repository& repository, mongo::Deployment& deployment,
                                const NextBaseOptions& options, Recorded& recorded) {
  recorded = TRY(catch_up(repository, deployment, options));
  const auto live = live_documents(deployment);
  SyntheticOptions synthetic;
  synthetic.dataset = options.full.dataset;
  synthetic.author = options.full.author;
  synthetic.tags = options.full.tags;
  synthetic.temp_directory = options.full.temp_directory;
  synthetic.memory_bytes_max = options.memory_bytes_max;
  synthetic.rules = options.rules;
  synthetic.rewrite = options.rewrite;
  synthetic.writer = options.full.writer;
  // Samples are compared with what the oplog says has changed since.
  const bool has_oplog = options.full.history == dataset::HistoryFrom::oplog;
  synthetic.live = has_oplog ? live.get() : nullptr;
  return synthetic_full(repository, synthetic);
}

// Again if just then something happened that can not be replayed.
Result<BackupMongoResult> read_all(repo::Repository& repository, mongo::Deployment& deployment,
                                   const BackupMongoOptions& options,
                                   std::vector<std::string>& notes) {
  for (int attempt = 1;; ++attempt) {
    auto full = backup_mongo(repository, deployment, options);
    const bool may_pass = !full.has_value() && full.error().code == ErrorCode::unsupported;
    if (!may_pass || attempt == full_attempts_max) return full;
    notes.push_back(full.error().message);
  }
}

bool is_refuted(const SyntheticResult& result) {
  return result.check && result.check->is_failed();
}

}  // namespace

Result<FullDecision> plan_next_base(repo::Repository& repository, const NextBaseOptions& options) {
  const auto snapshots = TRY(repository.snapshots());
  TRY(repository.load_index());
  const auto points = catalog::MongoPoints::load(repository, snapshots, options.full.dataset);
  if (!points.has_value() && points.error().code != ErrorCode::not_found)
    return fail(points.error());
  const FullHistory history =
      points.has_value() ? full_history(*points, snapshots, options.full.dataset) : FullHistory{};
  FullPolicy policy = options.policy;
  // Nothing recorded can be continued.
  policy.is_forced = policy.is_forced || options.full.other_server == catalog::OtherServer::accept;
  return decide_full(history, repository.context().clock.now(), policy);
}

Result<NextBaseResult> next_base(repo::Repository& repository, mongo::Deployment& deployment,
                                 const NextBaseOptions& options) {
  NextBaseResult result;
  result.decision = TRY(plan_next_base(repository, options));
  if (result.decision.kind == FullKind::synthetic) {
    auto computed = compute(repository, deployment, options, result.recorded);
    if (!computed.has_value() && !needs_the_server(computed.error().code))
      return fail(std::move(computed.error()));
    if (computed.has_value() && !is_refuted(*computed)) {
      result.synthetic = std::move(*computed);
      return result;
    }
    result.decision = {FullKind::real, computed.has_value()
                                           ? "the computed base differs from the server: " +
                                                 computed->check->differences.front()
                                           : "it can not be computed: " + computed.error().message};
    result.notes.push_back(result.decision.reason);
  }
  // The history of another server can not be continued: it ends here, and what contradicts the new
  // one is put aside.
  if (options.full.other_server == catalog::OtherServer::accept)
    result.recorded = TRY(catch_up(repository, deployment, options));
  result.full = TRY(read_all(repository, deployment, options.full, result.notes));
  return result;
}

}  // namespace holdfast::backup
