#include "recover/insert_pool.hpp"

#include <fmt/format.h>

namespace holdfast::recover {

InsertBatch::InsertBatch(std::string db, std::string collection, TakenIds taken, BatchOrder order)
    : db_(std::move(db)), collection_(std::move(collection)), taken_(taken) {
  builder_.append_text("insert", collection_);
  builder_.append_bool("ordered", order == BatchOrder::as_given);
  builder_.append_bool("bypassDocumentValidation", true);
  append_majority(builder_);
  builder_.begin_array("documents");
}

bool InsertBatch::has_room_for(std::size_t document_bytes) const {
  return count_ == 0 ||
         (count_ < batch_documents_max && bytes_ + document_bytes <= batch_bytes_max);
}

void InsertBatch::add(ByteView document) {
  builder_.append_document(std::to_string(count_), bson::Document::trusted(document));
  ++count_;
  bytes_ += document.size();
}

bson::Document InsertBatch::command() {
  if (command_.empty()) {
    builder_.end();
    command_ = builder_.take();
  }
  return bson::Document::trusted(command_);
}

InsertPool::InsertPool(mongo::Deployment& target, Context& context, unsigned connections)
    : target_(target), context_(context) {
  for (unsigned number = 0; number < connections; ++number)
    workers_.start([this](const std::stop_token& stop) { return work(stop); });
}

InsertPool::~InsertPool() {
  workers_.request_stop();
  waiting_.close();
}

Result<std::uint64_t> InsertPool::push(InsertBatch batch) {
  TRY(check());
  ++pushed_;
  if (!waiting_.push({pushed_, std::move(batch)})) {
    TRY(check());
    return fail(ErrorCode::interrupted, "the writers have stopped");
  }
  return pushed_;
}

Result<void> InsertPool::drain() {
  {
    MutexLock lock(mutex_);
    while (confirmed_ < pushed_ && !error_) changed_.wait(mutex_);
  }
  return check();
}

std::uint64_t InsertPool::confirmed_up_to() const {
  MutexLock lock(mutex_);
  return confirmed_;
}
std::uint64_t InsertPool::inserted_count() const {
  MutexLock lock(mutex_);
  return inserted_;
}
std::uint64_t InsertPool::kept_count() const {
  MutexLock lock(mutex_);
  return kept_;
}

Result<void> InsertPool::work(std::stop_token stop) {
  PrimaryLink link(target_, context_);
  while (auto next = waiting_.pop()) {
    if (stop.stop_requested()) return {};
    auto done = insert(link, next->batch);
    if (!done.has_value()) {
      give_up(done.error());
      return done;
    }
    confirm(next->number);
  }
  return {};
}

Result<void> InsertPool::insert(PrimaryLink& link, InsertBatch& batch) {
  const auto outcome = TRY(link.write(batch.db(), batch.command(), "inserting into " + batch.ns()));
  const bool accepts_taken = batch.taken() == TakenIds::accept || outcome.is_repeated;
  std::uint64_t kept = 0;
  for (const WriteFailure& failure : outcome.failures) {
    if (!failure.is_duplicate_key() || !accepts_taken)
      return fail(failure.is_duplicate_key() ? ErrorCode::conflict : ErrorCode::server_failed,
                  fmt::format("inserting into {}: {} (error {})", batch.ns(), failure.message,
                              failure.code));
    ++kept;
  }
  // Not `n` of the answer: servers differ in what they count when some documents failed.
  MutexLock lock(mutex_);
  inserted_ += batch.document_count() - kept;
  kept_ += kept;
  return {};
}

void InsertPool::confirm(std::uint64_t number) {
  MutexLock lock(mutex_);
  confirmed_later_.insert(number);
  while (!confirmed_later_.empty() && *confirmed_later_.begin() == confirmed_ + 1) {
    ++confirmed_;
    confirmed_later_.erase(confirmed_later_.begin());
  }
  changed_.notify_all();
}

void InsertPool::give_up(const Error& error) {
  {
    MutexLock lock(mutex_);
    if (!error_) error_ = error;
    changed_.notify_all();
  }
  workers_.request_stop();
  waiting_.close();
}

Result<void> InsertPool::check() const {
  MutexLock lock(mutex_);
  if (error_) return fail(*error_);
  return {};
}

}  // namespace holdfast::recover
