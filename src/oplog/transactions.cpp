#include "oplog/transactions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/ext_json.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Type;
using State = OpenTransaction::State;

bool is_true(Document o, std::string_view name) {
  const auto value = o.find(name);
  return value && value->type == Type::boolean && value->as_bool();
}

std::string session_key(const Entry& entry) {
  return std::string(as_text(entry.session));
}

std::uint64_t count_of(Document list) {
  std::uint64_t count = 0;
  for ([[maybe_unused]] const auto& element : list) ++count;
  return count;
}

tl::unexpected<Error> broken(const Entry& entry, std::string_view what) {
  return fail(ErrorCode::corrupt,
              fmt::format("transaction {} at oplog entry {}: {}", entry.txn_number.value_or(-1),
                          to_text(entry.ts), what));
}

}  // namespace

TransactionShape shape_of(const Entry& entry) {
  const bool has_number = !entry.session.empty() && entry.txn_number.has_value();
  if (entry.op != Op::command || !has_number) return TransactionShape::none;
  const auto command = entry.command();
  if (command == "commitTransaction") return TransactionShape::commit;
  if (command == "abortTransaction") return TransactionShape::abort;
  if (command != "applyOps" || entry.multi_op_type == 1) return TransactionShape::none;
  if (is_true(entry.o, "partialTxn")) return TransactionShape::piece;
  if (is_true(entry.o, "prepare")) return TransactionShape::prepare;
  return TransactionShape::last;
}

Result<Document> operations_of(const Entry& entry) {
  const auto list = entry.o.find("applyOps");
  if (!list || list->type != Type::array)
    return fail(ErrorCode::malformed,
                fmt::format("oplog entry {}: applyOps is not an array", to_text(entry.ts)));
  return list->as_document();
}

Result<PieceStore::Piece> PieceStore::keep(OpTime optime, ByteView entry) {
  Piece piece{optime, {}, 0, static_cast<std::uint32_t>(entry.size())};
  if (bytes_in_memory_ + entry.size() <= pieces_in_memory_bytes_max) {
    piece.bytes = to_bytes(entry);
    bytes_in_memory_ += entry.size();
    return piece;
  }
  if (!run_) {
    run_ = TRY(spill_.create());
    run_bytes_ = 0;
  }
  TRY(run_->append(entry));
  piece.offset = run_bytes_;
  run_bytes_ += entry.size();
  spilled_bytes_ += entry.size();
  ++spilled_count_;
  return piece;
}

Result<Bytes> PieceStore::load(Piece&& piece) {
  Bytes bytes;
  if (piece.bytes.empty()) {
    bytes.resize(piece.length);
    TRY(run_->read_at(piece.offset, bytes));
  }
  forget(piece);
  return piece.bytes.empty() ? std::move(bytes) : std::move(piece.bytes);
}

// The run's space is given back when nobody wants anything of it.
void PieceStore::forget(const Piece& piece) {
  bytes_in_memory_ -= piece.bytes.size();
  if (!piece.bytes.empty() || --spilled_count_ > 0) return;
  run_.reset();
}

void PieceStore::release(std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) forget(piece);
  pieces.clear();
}

Result<std::optional<Transactions::Committed>> Transactions::accept(const Entry& entry,
                                                                    TransactionShape shape) {
  if (entry.term > term_) {
    term_ = entry.term;
    end_old_terms();
  }
  if (!open_.empty() && !entry.session.empty() && entry.txn_number) TRY(supersede(entry));
  switch (shape) {
    case TransactionShape::none:
      return std::nullopt;
    case TransactionShape::piece:
    case TransactionShape::prepare:
      TRY(append(entry, shape));
      return std::nullopt;
    case TransactionShape::last:
      return finish(entry);
    case TransactionShape::commit:
      return commit(entry);
    case TransactionShape::abort:
      abort(entry);
      return std::nullopt;
  }
  return std::nullopt;
}

// A new primary never finishes an unprepared chain of its predecessor.
void Transactions::end_old_terms() {
  for (auto record = open_.begin(); record != open_.end();) {
    if (record->second.state == State::prepared) {
      ++record;
      continue;
    }
    store_.release(record->second.pieces);
    record = open_.erase(record);
    ++died_count_;
  }
}

Result<void> Transactions::supersede(const Entry& entry) {
  OpenTransaction* open = find(entry);
  if (open == nullptr || *entry.txn_number <= open->txn_number) return {};
  if (open->state == State::prepared)
    return broken(entry, fmt::format("supersedes transaction {} of the session, which is prepared",
                                     open->txn_number));
  forget(entry);
  ++died_count_;
  return {};
}

OpenTransaction* Transactions::find(const Entry& entry) {
  const auto found = open_.find(session_key(entry));
  return found == open_.end() ? nullptr : &found->second;
}

void Transactions::forget(const Entry& entry) {
  const auto found = open_.find(session_key(entry));
  if (found == open_.end()) return;
  store_.release(found->second.pieces);
  open_.erase(found);
}

Result<void> Transactions::check_chain(const Entry& entry, const OpenTransaction& open) const {
  if (*entry.txn_number < open.txn_number)
    return broken(entry, fmt::format("comes after transaction {}", open.txn_number));
  if (open.state == State::prepared) return broken(entry, "another piece after its prepare");
  if (!entry.previous || *entry.previous != open.newest)
    return broken(entry, fmt::format("its previous piece is not {}", to_text(open.newest.ts)));
  return {};
}

Result<OpenTransaction*> Transactions::append(const Entry& entry, TransactionShape shape) {
  const auto list = TRY(operations_of(entry));
  OpenTransaction* open = find(entry);
  if (open != nullptr) TRY(check_chain(entry, *open));
  if (open == nullptr) {
    open = &open_[session_key(entry)];
    open->txn_number = *entry.txn_number;
    open->first = entry.ts;
    open->is_orphan = entry.previous && !entry.previous->is_null();
  }
  const std::uint64_t own = count_of(list);
  if (shape == TransactionShape::prepare) {
    TRY(check_count(entry, open, own));
    open->state = State::prepared;
  }
  auto piece = TRY(store_.keep(entry.optime(), entry.raw.bytes()));
  open->pieces.push_back(std::move(piece));
  open->operation_count += own;
  open->newest = entry.optime();
  return open;
}

Result<void> Transactions::check_count(const Entry& entry, const OpenTransaction* open,
                                       std::uint64_t own) const {
  const auto count = entry.o.find("count");
  if (!count || (open != nullptr && open->is_orphan)) return {};
  const std::uint64_t collected = own + (open != nullptr ? open->operation_count : 0);
  const auto said = count->as_integer();
  if (said && *said >= 0 && static_cast<std::uint64_t>(*said) == collected) return {};
  return broken(entry, fmt::format("says {} operations, its pieces have {}",
                                   said ? *said : std::int64_t{-1}, collected));
}

Result<std::optional<Transactions::Committed>> Transactions::finish(const Entry& entry) {
  const auto list = TRY(operations_of(entry));
  OpenTransaction* open = find(entry);
  Committed committed{entry.ts, {}, true, false};
  if (open == nullptr) {
    committed.is_orphan = entry.previous && !entry.previous->is_null();
    if (!committed.is_orphan) TRY(check_count(entry, nullptr, count_of(list)));
    return committed;
  }
  TRY(check_chain(entry, *open));
  TRY(check_count(entry, open, count_of(list)));
  committed.is_orphan = open->is_orphan;
  committed.pieces = std::move(open->pieces);
  forget(entry);
  return committed;
}

Result<std::optional<Transactions::Committed>> Transactions::commit(const Entry& entry) {
  const auto stamp = entry.o.find("commitTimestamp");
  if (!stamp || stamp->type != Type::timestamp) return broken(entry, "has no commitTimestamp");
  const Timestamp effective = stamp->as_timestamp();
  if (effective > entry.ts) return broken(entry, "its commitTimestamp is after the entry");
  OpenTransaction* open = find(entry);
  if (open == nullptr) return Committed{effective, {}, false, true};
  if (open->txn_number != *entry.txn_number || open->state != State::prepared)
    return broken(entry, "commits what was not prepared");
  if (!entry.previous || *entry.previous != open->newest)
    return broken(entry, "does not name its prepare entry");
  if (effective < open->newest.ts) return broken(entry, "its commitTimestamp is before prepare");
  Committed committed{effective, std::move(open->pieces), false, open->is_orphan};
  forget(entry);
  return committed;
}

void Transactions::abort(const Entry& entry) {
  if (find(entry) == nullptr) return;
  forget(entry);
  ++died_count_;
}

bool Transactions::has_in_doubt(Timestamp at) const {
  return std::any_of(open_.begin(), open_.end(), [&](const auto& record) {
    return record.second.state == State::prepared && record.second.newest.ts <= at;
  });
}

std::optional<Timestamp> Transactions::oldest_in_doubt() const {
  std::optional<Timestamp> oldest;
  for (const auto& [session, open] : open_) {
    if (open.state != State::prepared) continue;
    oldest = oldest ? std::min(*oldest, open.newest.ts) : open.newest.ts;
  }
  return oldest;
}

std::vector<std::string> Transactions::in_doubt(Timestamp at) const {
  std::vector<std::string> names;
  for (const auto& [session, open] : open_) {
    if (open.state != State::prepared || open.newest.ts > at) continue;
    const auto lsid = Document::trusted(as_bytes(session));
    names.push_back(fmt::format("session {} transaction {} prepared at {}",
                                bson::to_ext_json(lsid, bson::JsonForm::relaxed), open.txn_number,
                                to_text(open.newest.ts)));
  }
  return names;
}

}  // namespace holdfast::oplog
