#include "oplog/transactions.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::inner;
using test::piece;

std::string list(int first, int last, const std::string& more = "") {
  std::string o = R"({"applyOps":[)";
  for (int id = first; id <= last; ++id) {
    if (id > first) o += ",";
    o += inner("i", "shop.a", 'A', R"("o":{"_id":)" + std::to_string(id) + "}");
  }
  return o + "]" + more + "}";
}
const std::string partial = R"(,"partialTxn":true)";
const std::string prepare = R"(,"prepare":true)";

std::string commit_at(std::uint32_t second) {
  return R"({"commitTransaction":1,"commitTimestamp":{"$timestamp":{"t":)" +
         std::to_string(second) + R"(,"i":1}}})";
}

struct Stream {
  MemorySpill spill;
  Transactions transactions{spill};

  Result<std::optional<Transactions::Committed>> accept(const Bytes& bytes) {
    const auto entry = Entry::parse(bytes, {}).value();
    return transactions.accept(entry, shape_of(entry));
  }
  void nothing(const Bytes& bytes) {
    const auto committed = accept(bytes);
    REQUIRE(committed.has_value());
    CHECK_FALSE(committed->has_value());
  }
  Transactions::Committed commits(const Bytes& bytes) {
    auto committed = accept(bytes);
    REQUIRE_MESSAGE(committed.has_value(), (committed ? "" : describe(committed.error())));
    REQUIRE(committed->has_value());
    return std::move(**committed);
  }
  void corrupt(const Bytes& bytes) {
    const auto committed = accept(bytes);
    REQUIRE_FALSE(committed.has_value());
    CHECK(committed.error().code == ErrorCode::corrupt);
  }
};

TEST_CASE("A transaction in one entry commits at the entry") {
  Stream stream;
  const auto committed = stream.commits(piece(50, 'S', 4, 0, list(1, 2)));
  CHECK(committed.effective == Timestamp{50, 1});
  CHECK(committed.includes_entry);
  CHECK(committed.pieces.empty());
  CHECK_FALSE(committed.is_orphan);
}

TEST_CASE("Pieces are kept until the last one commits them all") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 2, partial)));
  stream.nothing(piece(51, 'S', 4, 50, list(3, 3, partial)));
  auto committed = stream.commits(piece(52, 'S', 4, 51, list(4, 4, R"(,"count":4)")));
  CHECK(committed.effective == Timestamp{52, 1});
  CHECK(committed.includes_entry);
  REQUIRE(committed.pieces.size() == 2);
  const auto first = stream.transactions.load(std::move(committed.pieces[0]));
  CHECK(*first == piece(50, 'S', 4, 0, list(1, 2, partial)));
}

TEST_CASE("A prepared transaction becomes visible at its commitTimestamp") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 2, partial)));
  stream.nothing(piece(51, 'S', 4, 50, list(3, 3, prepare + R"(,"count":3)")));
  CHECK(stream.transactions.in_doubt({50, 1}).empty());
  REQUIRE(stream.transactions.in_doubt({51, 1}).size() == 1);
  CHECK(stream.transactions.in_doubt({51, 1})[0].find("transaction 4") != std::string::npos);
  const auto committed = stream.commits(piece(58, 'S', 4, 51, commit_at(56)));
  CHECK(committed.effective == Timestamp{56, 1});
  CHECK_FALSE(committed.includes_entry);
  CHECK(committed.pieces.size() == 2);
  CHECK(stream.transactions.in_doubt({90, 1}).empty());
}

TEST_CASE("An empty prepared transaction is legal") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, R"({"applyOps":[],"prepare":true})"));
  CHECK(stream.commits(piece(51, 'S', 4, 50, commit_at(50))).pieces.size() == 1);
}

TEST_CASE("Transactions of several sessions interleave") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 1, partial)));
  stream.nothing(piece(51, 'R', 9, 0, list(2, 2, prepare)));
  CHECK(stream.commits(piece(52, 'S', 4, 50, list(3, 3))).pieces.size() == 1);
  CHECK(stream.commits(piece(53, 'R', 9, 51, commit_at(52))).pieces.size() == 1);
}

TEST_CASE("An aborted transaction is forgotten") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 1, prepare)));
  stream.nothing(piece(51, 'S', 4, 50, R"({"abortTransaction":1})"));
  stream.nothing(piece(52, 'R', 4, 50, R"({"abortTransaction":1})"));
  CHECK(stream.transactions.in_doubt({90, 1}).empty());
  CHECK(stream.transactions.died_count() == 1);
}

TEST_CASE("A retryable write or transaction of the session ends an unfinished chain") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 1, partial)));
  CHECK(stream.commits(piece(51, 'S', 5, 0, list(2, 2))).pieces.empty());
  CHECK(stream.transactions.died_count() == 1);
}

TEST_CASE("A prepared transaction can not be superseded") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 1, prepare)));
  stream.corrupt(piece(51, 'S', 5, 0, list(2, 2)));
}

TEST_CASE("A new term ends unfinished chains; prepared ones survive") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 1, partial)));
  stream.nothing(piece(51, 'R', 4, 0, list(1, 1, prepare)));
  stream.nothing(test::entry({52, 1, 2}, "n", "", 0, R"("o":{"msg":"new primary"})"));
  CHECK(stream.transactions.died_count() == 1);
  CHECK(stream.transactions.in_doubt({52, 1}).size() == 1);
  CHECK(stream.commits(piece({53, 1, 2}, 'R', 4, 51, commit_at(52))).pieces.size() == 1);
}

TEST_CASE("A wrong count, a broken chain and a commitTimestamp out of range are corrupt") {
  Stream stream;
  stream.nothing(piece(50, 'S', 4, 0, list(1, 2, partial)));
  stream.corrupt(piece(52, 'S', 4, 50, list(4, 4, R"(,"count":4)")));
  stream.corrupt(piece(53, 'S', 4, 49, list(4, 4, partial)));
  stream.corrupt(piece(54, 'S', 4, 50, commit_at(53)));
  stream.corrupt(piece(55, 'R', 4, 0, list(1, 1, R"(,"count":2)")));
  stream.nothing(piece(56, 'Q', 1, 0, list(1, 1, prepare)));
  stream.corrupt(piece(58, 'Q', 1, 56, commit_at(55)));
  stream.corrupt(piece(58, 'Q', 1, 56, commit_at(59)));
  stream.corrupt(piece(58, 'Q', 1, 55, commit_at(57)));
  stream.corrupt(piece(58, 'Q', 1, 56, list(2, 2, partial)));
}

TEST_CASE("What began before the first entry is an orphan") {
  Stream stream;
  CHECK(stream.commits(piece(50, 'S', 4, 49, list(1, 1, R"(,"count":9)"))).is_orphan);
  CHECK(stream.commits(piece(51, 'R', 4, 49, commit_at(50))).is_orphan);
  stream.nothing(piece(52, 'Q', 4, 49, list(1, 1, prepare + R"(,"count":9)")));
  CHECK(stream.commits(piece(53, 'Q', 4, 52, commit_at(52))).is_orphan);
}

TEST_CASE("A retryable batch insert is not a transaction") {
  const auto bytes = test::entry({50, 1}, "c", "admin.$cmd", 0,
                                 R"("lsid":{"id":1},"txnNumber":{"$numberLong":"3"},
                                    "multiOpType":1,"o":)" +
                                     list(1, 2));
  CHECK(shape_of(Entry::parse(bytes, {}).value()) == TransactionShape::none);
}

TEST_CASE("Pieces beyond the memory for them are spilled and come back") {
  MemorySpill spill;
  PieceStore store(spill);
  Bytes large(pieces_in_memory_bytes_max - 10);
  std::fill(large.begin(), large.end(), std::uint8_t{1});
  const Bytes small = to_bytes(as_bytes("a piece that does not fit any more"));
  auto kept = store.keep({}, large).value();
  auto first = store.keep({}, small).value();
  auto second = store.keep({}, small).value();
  CHECK(store.spilled_bytes() == 2 * small.size());
  CHECK(store.load(std::move(second)).value() == small);
  CHECK(store.load(std::move(first)).value() == small);
  CHECK(store.load(std::move(kept)).value().size() == large.size());
}

}  // namespace
}  // namespace holdfast::oplog
