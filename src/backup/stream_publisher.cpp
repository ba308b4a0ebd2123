#include "backup/stream_publisher.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::backup {

namespace {

// Who was asked to stop does not wait long for a store.
constexpr std::uint32_t attempts_max_after_stop = 3;
constexpr std::chrono::milliseconds nap_max{500};

bool may_pass(ErrorCode code) {
  return retry_class_of(code) == RetryClass::backoff || code == ErrorCode::store_full;
}

}  // namespace

StreamPublisher::StreamPublisher(repo::Repository& repository, catalog::DatasetLabel label,
                                 PublishPolicy policy, repo::WriterOptions writer)
    : repository_(repository), label_(std::move(label)), policy_(policy), writer_(writer) {
  writer_.on_stop = repo::OnStop::go_on;
}

Result<std::optional<Companion>> StreamPublisher::try_publish(std::string_view kind,
                                                              const Fill& fill) {
  // A Writer keeps what it has open and what failed: one for each try.
  auto writer = TRY(repo::Writer::make(repository_, writer_));
  label_.start = repository_.context().clock.now();
  SegmentSnapshot snapshot(repository_, writer, label_, kind);
  TRY(fill(snapshot, writer));
  const auto id = TRY(snapshot.publish());
  if (!id) return std::optional<Companion>();
  return std::optional(Companion{{*id, snapshot.snapshot()}, snapshot.segments()});
}

Result<std::optional<Companion>> StreamPublisher::publish(std::string_view kind, const Fill& fill) {
  std::optional<Companion> published;
  const auto work = [&]() -> Result<void> {
    published = TRY(try_publish(kind, fill));
    return {};
  };
  TRY(insist("publishing a segment of the oplog", work));
  return published;
}

Result<void> StreamPublisher::insist(std::string_view doing,
                                     const std::function<Result<void>()>& work) {
  const Context& context = repository_.context();
  auto wait = policy_.back_off_first;
  for (std::uint32_t attempt = 1;; ++attempt) {
    // What a failed try has put may be in no index file: only what the store lists counts.
    auto done = attempt == 1 ? Result<void>() : repository_.load_index();
    if (done.has_value()) done = work();
    if (done.has_value()) return {};
    const auto attempts_max =
        context.stop.stop_requested() ? attempts_max_after_stop : policy_.attempts_max;
    if (!may_pass(done.error().code) || attempt >= attempts_max)
      return std::move(done).while_doing(std::string(doing));
    context.log.warn(fmt::format("{} failed and is tried again in {} ms ({} of {}): {}", doing,
                                 wait.count(), attempt, attempts_max, describe(done.error())));
    pause(wait);
    wait = std::min(2 * wait, policy_.back_off_max);
  }
}

void StreamPublisher::pause(std::chrono::milliseconds span) {
  const Context& context = repository_.context();
  while (span.count() > 0 && !context.stop.stop_requested()) {
    const auto nap = std::min(span, nap_max);
    context.clock.sleep_for(nap);
    span -= nap;
  }
}

Result<void> add_recorded(const oplog::SegmentFacts& facts, const StreamChain& from,
                          SegmentSnapshot& to, repo::Writer& writer) {
  auto content = TRY(from.content_of(facts));
  bool is_there = true;
  for (const repo::BlobId& blob : content) {
    const bool is_reused = TRY(writer.reuse({repo::BlobType::data, blob}));
    is_there = is_there && is_reused;
  }
  if (is_there) {
    to.add_stored(facts, std::move(content));
    return {};
  }
  const Bytes bytes = TRY(from.load(facts));
  return to.add(facts, bytes);
}

}  // namespace holdfast::backup
