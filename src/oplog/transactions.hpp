#pragma once
// Puts transactions together from their entries (docs/oplog_format.md section 4): pieces, prepare,
// commit with commitTimestamp, abort, and the ways in which a chain dies or is broken.
#include <functional>
#include <unordered_map>
#include <vector>

#include "oplog/entry.hpp"
#include "oplog/spill.hpp"

namespace holdfast::oplog {

constexpr std::size_t pieces_in_memory_bytes_max = 32 * 1024 * 1024;

// The shapes of 4.1 and 2.9.
enum class TransactionShape : std::uint8_t {
  none,     // not part of a transaction
  piece,    // applyOps with partialTxn
  prepare,  // applyOps with prepare
  last,     // applyOps that commits an unprepared transaction
  commit,   // commitTransaction
  abort     // abortTransaction
};
TransactionShape shape_of(const Entry& entry);

// The list of an applyOps entry. Error: malformed.
Result<bson::Document> operations_of(const Entry& entry);

// Keeps raw entries until their transaction is decided: in memory, then spilled. One thread.
class PieceStore {
 public:
  explicit PieceStore(SpillStore& spill) : spill_(spill) {}

  struct Piece {
    OpTime optime;
    Bytes bytes;  // empty: spilled
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
  };
  Result<Piece> keep(OpTime optime, ByteView entry);
  Result<Bytes> load(Piece&& piece);
  void release(std::vector<Piece>& pieces);
  std::uint64_t spilled_bytes() const { return spilled_bytes_; }

 private:
  void forget(const Piece& piece);

  SpillStore& spill_;
  std::unique_ptr<SpillRun> run_;
  std::uint64_t run_bytes_ = 0;
  std::uint64_t spilled_bytes_ = 0;
  std::size_t spilled_count_ = 0;  // pieces in the run that are still wanted
  std::size_t bytes_in_memory_ = 0;
};

struct OpenTransaction {
  enum class State : std::uint8_t { collecting, prepared };
  std::int64_t txn_number = 0;
  State state = State::collecting;
  bool is_orphan = false;  // its first pieces are before our first entry
  std::vector<PieceStore::Piece> pieces;
  std::uint64_t operation_count = 0;
  OpTime newest;  // last piece
  Timestamp first;
};

// One thread.
class Transactions {
 public:
  explicit Transactions(SpillStore& spill) : store_(spill) {}

  struct Committed {
    Timestamp effective;
    std::vector<PieceStore::Piece> pieces;  // in order; load() each
    bool includes_entry = false;            // then come the operations of the entry itself
    bool is_orphan = false;                 // incomplete: fine only if the base covers `effective`
  };
  // Every entry of the stream goes through here, in order. Errors: corrupt (broken chain, wrong
  // count, commitTimestamp out of range).
  Result<std::optional<Committed>> accept(const Entry& entry, TransactionShape shape);
  // accept() would do nothing: the way of most entries.
  bool is_idle(const Entry& entry, TransactionShape shape) const {
    return shape == TransactionShape::none && open_.empty() && entry.term == term_;
  }
  Result<Bytes> load(PieceStore::Piece&& piece) { return store_.load(std::move(piece)); }

  // Prepared at or before `at`, not decided. in_doubt: session and number, for a person.
  bool has_in_doubt(Timestamp at) const;
  std::vector<std::string> in_doubt(Timestamp at) const;
  // When the first of those that are not decided yet was prepared.
  std::optional<Timestamp> oldest_in_doubt() const;
  bool has_open() const { return !open_.empty(); }
  std::uint64_t died_count() const { return died_count_; }  // aborted, superseded, dead by term
  std::uint64_t spilled_bytes() const { return store_.spilled_bytes(); }

 private:
  using Records = std::unordered_map<std::string, OpenTransaction>;
  Result<void> supersede(const Entry& entry);
  void end_old_terms();
  Result<OpenTransaction*> append(const Entry& entry, TransactionShape shape);
  Result<void> check_chain(const Entry& entry, const OpenTransaction& open) const;
  Result<void> check_count(const Entry& entry, const OpenTransaction* open,
                           std::uint64_t own) const;
  Result<std::optional<Committed>> finish(const Entry& entry);
  Result<std::optional<Committed>> commit(const Entry& entry);
  void abort(const Entry& entry);
  OpenTransaction* find(const Entry& entry);
  void forget(const Entry& entry);

  PieceStore store_;
  Records open_;  // by raw bytes of lsid: a session has one transaction at a time
  std::int64_t term_ = -1;
  std::uint64_t died_count_ = 0;
};

}  // namespace holdfast::oplog
