#include "dataset/change_oplog.hpp"

#include "dataset/live_oplog.hpp"

namespace holdfast::dataset {

namespace {

// An idle server moves its position with its no-ops, every ten seconds.
constexpr int first_reads_max = 15;

}  // namespace

Result<void> ChangeOplog::open(oplog::Timestamp from, MemberChoice) {
  changes_ = {};
  ready_.clear();
  has_begun_ = false;
  start_ = from;
  auto opened = feed_->open(from);
  if (opened.has_value() || opened.error().code != ErrorCode::history_lost) return opened;
  start_ = TRY(feed_->newest());
  return feed_->open(start_);
}

Result<std::optional<ByteView>> ChangeOplog::next(std::chrono::milliseconds wait_max) {
  const bool is_first = !has_begun_;
  for (int reads = 0; ready_.empty(); ++reads) {
    if (reads > (is_first ? first_reads_max : 0)) return std::optional<ByteView>();
    TRY(read(wait_max));
  }
  current_ = std::move(ready_.front());
  ready_.pop_front();
  return std::optional<ByteView>(current_);
}

Result<void> ChangeOplog::read(std::chrono::milliseconds wait_max) {
  const ChangeBatch batch = TRY(feed_->next(wait_max));
  for (const Bytes& event : batch.events) TRY(take_in(event));
  if (!batch.position) return {};
  begin_before(*batch.position);
  while (auto entry = changes_.advance_to(*batch.position)) ready_.push_back(std::move(*entry));
  return {};
}

Result<void> ChangeOplog::take_in(const Bytes& event) {
  const bson::Document document = bson::Document::trusted(event);
  const auto time = document.find("clusterTime");
  if (time && time->type == bson::Type::timestamp) {
    begin_before(time->as_timestamp());
    has_begun_ = true;
  }
  auto entry = TRY(changes_.add(document));
  if (entry) ready_.push_back(std::move(*entry));
  return {};
}

// What is seen is later than the start, where nothing happened then.
void ChangeOplog::begin_before(oplog::Timestamp seen) {
  if (has_begun_ || seen <= start_) return;
  has_begun_ = true;
  ready_.push_back(changes_.pass(start_));
}

Result<std::optional<SeenEntry>> ChangeOplog::oldest() {
  const auto seen = TRY(seen_entry_of(oplog::change_noop(start_)));
  return std::optional(seen);
}

Result<std::optional<SeenEntry>> ChangeOplog::newest() {
  const oplog::Timestamp at = TRY(feed_->newest());
  const auto seen = TRY(seen_entry_of(oplog::change_noop(at)));
  return std::optional(seen);
}

Result<std::unique_ptr<OplogSource>> open_history(mongo::Deployment& deployment, Context& context,
                                                  HistoryFrom from) {
  if (from == HistoryFrom::oplog) return open_live_oplog(deployment, context);
  return std::make_unique<ChangeOplog>(make_live_change_feed(deployment));
}

}  // namespace holdfast::dataset
