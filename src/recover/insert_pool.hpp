#pragma once
// Inserts batches of documents over several connections at a time.
#include <set>

#include "base/channel.hpp"
#include "base/task_group.hpp"
#include "recover/primary_link.hpp"

namespace holdfast::recover {

constexpr std::size_t batch_documents_max = 1000;
// A batch is one BSON command; with one document it may be as large as that document allows.
constexpr std::size_t batch_bytes_max = std::size_t{8} << 20;
constexpr std::size_t batches_waiting_max = 4;

enum class TakenIds : std::uint8_t {
  refuse,
  accept  // written by an earlier run: what is there is compared later
};
enum class BatchOrder : std::uint8_t { any, as_given };

// Fills the command of one batch. One thread.
class InsertBatch {
 public:
  InsertBatch(std::string db, std::string collection, TakenIds taken, BatchOrder order);

  bool has_room_for(std::size_t document_bytes) const;
  void add(ByteView document);
  std::size_t document_count() const { return count_; }
  std::size_t byte_count() const { return bytes_; }

  const std::string& db() const { return db_; }
  const std::string& collection() const { return collection_; }
  TakenIds taken() const { return taken_; }
  std::string ns() const { return db_ + "." + collection_; }
  // No documents can be added afterwards.
  bson::Document command();

 private:
  std::string db_;
  std::string collection_;
  TakenIds taken_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  bson::Builder builder_;
  Bytes command_;
};

// push(), drain() and the tallies: one thread. The Deployment and the Context must outlive it.
class InsertPool {
 public:
  InsertPool(mongo::Deployment& target, Context& context, unsigned connections);
  ~InsertPool();  // batches that wait are dropped
  InsertPool(const InsertPool&) = delete;
  InsertPool& operator=(const InsertPool&) = delete;

  // Waits while the queue is full. The number of the batch, from 1. Errors: the first one of any
  // worker: those of PrimaryLink::write, conflict (an `_id` is taken).
  Result<std::uint64_t> push(InsertBatch batch);
  // Until everything that was pushed is confirmed.
  Result<void> drain();
  // All batches up to this number are confirmed.
  std::uint64_t confirmed_up_to() const;
  std::uint64_t inserted_count() const;  // documents
  std::uint64_t kept_count() const;      // whose `_id` was taken

 private:
  struct Numbered {
    std::uint64_t number;
    InsertBatch batch;
  };

  Result<void> work(std::stop_token stop);
  Result<void> insert(PrimaryLink& link, InsertBatch& batch);
  void confirm(std::uint64_t number);
  void give_up(const Error& error);
  Result<void> check() const;

  mongo::Deployment& target_;
  Context& context_;
  Channel<Numbered> waiting_{batches_waiting_max};
  std::uint64_t pushed_ = 0;

  mutable Mutex mutex_;
  CondVar changed_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
  std::uint64_t confirmed_ GUARDED_BY(mutex_) = 0;
  std::set<std::uint64_t> confirmed_later_ GUARDED_BY(mutex_);  // not more than are in flight
  std::uint64_t inserted_ GUARDED_BY(mutex_) = 0;
  std::uint64_t kept_ GUARDED_BY(mutex_) = 0;

  TaskGroup workers_;  // last: joined before the rest goes
};

}  // namespace holdfast::recover
