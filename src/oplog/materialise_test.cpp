#include "oplog/materialise.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::add_collection;
using test::command;
using test::exact_at;
using test::fuzzy_between;
using test::inner;
using test::insert;
using test::materialise;
using test::noop;
using test::piece;
using test::remove;
using test::StoredState;
using test::update;
using test::uuid_json;

const std::string delta_x2 = R"({"$v":2,"diff":{"u":{"x":2}}})";

// `shop.a` (A) with documents 1 and 2, exact at second 100.
StoredState shop() {
  auto state = exact_at(100);
  add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":1})", R"({"_id":2,"x":1})"});
  return state;
}

std::string documents_at(const StoredState& state, const std::vector<Bytes>& entries,
                         std::uint32_t second, const std::string& ns = "shop.a") {
  const auto result = materialise(state, entries, second);
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : describe(result.error())));
  return result->documents(ns);
}

Error error_at(const StoredState& state, const std::vector<Bytes>& entries, std::uint32_t second,
               MaterialiseOptions options = {}) {
  const auto result = materialise(state, entries, second, options);
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

TEST_CASE("Every moment shows the effects up to it and no other") {
  const std::vector<Bytes> entries = {noop(100), insert(101, "shop.a", 'A', R"({"_id":0})"),
                                      update(102, "shop.a", 'A', "2", delta_x2),
                                      remove(103, "shop.a", 'A', "1"),
                                      update(104, "shop.a", 'A', "0", R"({"_id":0,"y":1})")};
  CHECK(documents_at(shop(), entries, 100) == R"({"_id":1,"x":1} {"_id":2,"x":1})");
  CHECK(documents_at(shop(), entries, 101) == R"({"_id":0} {"_id":1,"x":1} {"_id":2,"x":1})");
  CHECK(documents_at(shop(), entries, 102) == R"({"_id":0} {"_id":1,"x":1} {"_id":2,"x":2})");
  CHECK(documents_at(shop(), entries, 103) == R"({"_id":0} {"_id":2,"x":2})");
  CHECK(documents_at(shop(), entries, 104) == R"({"_id":0,"y":1} {"_id":2,"x":2})");
}

TEST_CASE("Identity is by value: 1.0 addresses 1") {
  const std::vector<Bytes> entries = {update(101, "shop.a", 'A', "1.0", delta_x2)};
  CHECK(documents_at(shop(), entries, 101) == R"({"_id":1,"x":2} {"_id":2,"x":1})");
}

TEST_CASE("A moment before the base or beyond the entries is refused") {
  const std::vector<Bytes> entries = {insert(101, "shop.a", 'A', R"({"_id":0})")};
  CHECK(error_at(shop(), entries, 99).code == ErrorCode::no_point);
  const auto beyond = error_at(shop(), entries, 102);
  CHECK(beyond.code == ErrorCode::no_point);
  CHECK(beyond.message.find("101,1") != std::string::npos);
}

TEST_CASE("STRICT: an insert of what exists, an update or delete of what does not, are anomalies") {
  for (const auto& entry :
       {insert(101, "shop.a", 'A', R"({"_id":1})"), update(101, "shop.a", 'A', "9", delta_x2),
        update(101, "shop.a", 'A', "9", R"({"_id":9})"), remove(101, "shop.a", 'A', "9"),
        update(101, "shop.a", 'A', "1", R"({"$v":2,"diff":{"sx":{"u":{"y":1}}}})"),
        insert(101, "shop.z", 'Z', R"({"_id":1})"), insert(101, "shop.other", 'A', R"({"_id":9})"),
        command(101, "shop", 'Z', R"({"drop":"z"})")}) {
    const auto error = error_at(shop(), {entry}, 101);
    CHECK(error.code == ErrorCode::anomaly);
    CHECK(describe(error).find("101,1") != std::string::npos);
  }
}

TEST_CASE("RELAXED absorbs the same and counts it by namespace") {
  auto state = fuzzy_between(100, 110);
  add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":5})"});
  const std::vector<Bytes> entries = {
      insert(101, "shop.a", 'A', R"({"_id":1,"x":1})"),
      update(102, "shop.a", 'A', "9", delta_x2),
      remove(103, "shop.a", 'A', "9"),
      update(104, "shop.a", 'A', "1", R"({"$v":2,"diff":{"sx":{"u":{"y":1}}}})"),
      insert(105, "shop.z", 'Z', R"({"_id":1})"),
      command(106, "shop", 'Z', R"({"drop":"z"})"),
      noop(110)};
  const auto result = materialise(state, entries, 110);
  REQUIRE(result.has_value());
  CHECK(result->documents("shop.a") == R"({"_id":1,"x":null})");
  const auto& counts = result->report.anomalies.at("shop.a");
  CHECK(counts.inserts_of_existing == 1);
  CHECK(counts.updates_of_missing == 1);
  CHECK(counts.deletes_of_missing == 1);
  CHECK(counts.mismatches == 1);
  CHECK(result->report.anomalies.at("shop.z").unknown_collection == 1);
}

TEST_CASE("After the window of a fuzzy base the rules are STRICT") {
  auto state = fuzzy_between(100, 110);
  add_collection(state, "shop.a", 'A', {});
  const std::vector<Bytes> entries = {noop(110), remove(111, "shop.a", 'A', "9")};
  CHECK(documents_at(state, entries, 110).empty());
  CHECK(error_at(state, entries, 111).code == ErrorCode::anomaly);
}

TEST_CASE("A fuzzy base is not shown before its window ends") {
  auto state = fuzzy_between(100, 110);
  add_collection(state, "shop.a", 'A', {});
  CHECK(error_at(state, {noop(109), noop(111)}, 109).code == ErrorCode::no_point);
}

TEST_CASE("A prepared transaction is visible from its commitTimestamp, found by looking ahead") {
  const std::vector<Bytes> entries = {
      piece(101, 'S', 4, 0,
            R"({"applyOps":[)" + inner("i", "shop.a", 'A', R"("o":{"_id":7})") +
                R"(],"partialTxn":true})"),
      piece(102, 'S', 4, 101,
            R"({"applyOps":[)" + inner("d", "shop.a", 'A', R"("o":{"_id":1})") +
                R"(],"prepare":true,"count":{"$numberLong":"2"}})"),
      noop(103),
      noop(105),
      noop(106),
      piece(108, 'S', 4, 102,
            R"({"commitTransaction":1,"commitTimestamp":{"$timestamp":{"t":106,"i":1}}})"),
      insert(109, "shop.a", 'A', R"({"_id":8})")};
  const std::string before = R"({"_id":1,"x":1} {"_id":2,"x":1})";
  CHECK(documents_at(shop(), entries, 101) == before);
  CHECK(documents_at(shop(), entries, 105) == before);
  CHECK(documents_at(shop(), entries, 106) == R"({"_id":2,"x":1} {"_id":7})");
  CHECK(documents_at(shop(), entries, 109) == R"({"_id":2,"x":1} {"_id":7} {"_id":8})");
}

TEST_CASE("A transaction in doubt at T is refused, or taken as not committed by explicit wish") {
  const std::vector<Bytes> entries = {
      piece(101, 'S', 4, 0,
            R"({"applyOps":[)" + inner("i", "shop.a", 'A', R"("o":{"_id":7})") +
                R"(],"prepare":true})"),
      noop(102), noop(103)};
  const auto error = error_at(shop(), entries, 102);
  CHECK(error.code == ErrorCode::conflict);
  CHECK(error.message.find("transaction 4") != std::string::npos);
  MaterialiseOptions options;
  options.in_doubt = InDoubt::treat_as_not_committed;
  const auto result = materialise(shop(), entries, 102, options);
  REQUIRE(result.has_value());
  CHECK(result->report.transactions_in_doubt == 1);
  CHECK(result->documents("shop.a") == R"({"_id":1,"x":1} {"_id":2,"x":1})");
}

TEST_CASE("Transaction pieces before the base's moment count when it commits after") {
  const std::vector<Bytes> entries = {
      insert(98, "shop.a", 'A', R"({"_id":1,"x":0})"),  // the base holds this already
      piece(99, 'S', 4, 0,
            R"({"applyOps":[)" + inner("i", "shop.a", 'A', R"("o":{"_id":7})") +
                R"(],"partialTxn":true})"),
      piece(101, 'S', 4, 99, R"({"applyOps":[],"count":{"$numberLong":"1"}})")};
  CHECK(documents_at(shop(), entries, 101) == R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":7})");
  const auto error = error_at(shop(), {entries.begin() + 2, entries.end()}, 101);
  CHECK(error.code == ErrorCode::corrupt);
}

TEST_CASE("A snapshot holds what committed at or before its moment, whatever the entry's ts") {
  const std::vector<Bytes> entries = {
      piece(98, 'S', 4, 0,
            R"({"applyOps":[)" + inner("i", "shop.a", 'A', R"("o":{"_id":2,"x":1})") +
                R"(],"prepare":true})"),
      piece(103, 'S', 4, 98,
            R"({"commitTransaction":1,"commitTimestamp":{"$timestamp":{"t":100,"i":1}}})")};
  CHECK(documents_at(shop(), entries, 103) == R"({"_id":1,"x":1} {"_id":2,"x":1})");
  auto copied = shop();
  copied.window.kind = BaseKind::file_copy;
  CHECK(error_at(copied, entries, 103).code == ErrorCode::anomaly);  // it would insert 2 again
}

TEST_CASE("A copy may miss what was prepared before it began and committed while it ran") {
  auto state = fuzzy_between(100, 110);
  add_collection(state, "shop.a", 'A', {});
  const std::vector<Bytes> entries = {
      piece(97, 'S', 4, 0,
            R"({"applyOps":[)" + inner("i", "shop.a", 'A', R"("o":{"_id":2,"x":1})") +
                R"(],"prepare":true})"),
      piece(103, 'S', 4, 97,
            R"({"commitTransaction":1,"commitTimestamp":{"$timestamp":{"t":98,"i":1}}})"),
      noop(110)};
  CHECK(documents_at(state, entries, 110) == R"({"_id":2,"x":1})");
}

TEST_CASE("What can not be interpreted is refused from its ts on, with the raw entry") {
  const std::vector<std::pair<Bytes, std::string>> strange = {
      {command(103, "shop", 0, R"({"newCommand":1})"), "newCommand"},
      {test::entry({103, 1}, "zz", "shop.a", 'A', R"("o":{})"), "zz"},
      {test::entry({103, 1}, "i", "shop.a", 'A', R"("o":{"_id":5},"newField":1)"), "newField"},
      {update(103, "shop.a", 'A', "1", R"({"$v":3,"diff":{}})"), "$v"},
      {update(103, "shop.a", 'A', "1", R"({"$v":2,"diff":{}})"), "empty"},
      {update(103, "shop.a", 'A', "1", R"({"_id":2})"), "another _id"},
      {insert(103, "shop.a", 'A', R"({"x":2})"), "without _id"}};
  for (const auto& [entry, word] : strange) {
    const std::vector<Bytes> entries = {insert(101, "shop.a", 'A', R"({"_id":7})"), noop(102),
                                        entry, noop(104)};
    CHECK(documents_at(shop(), entries, 102) == R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":7})");
    for (const std::uint32_t second : {103U, 104U}) {
      const auto error = error_at(shop(), entries, second);
      CHECK(error.code == ErrorCode::unsupported);
      CHECK(error.message.find("103,1") != std::string::npos);
      CHECK(error.message.find(word) != std::string::npos);
      CHECK(error.message.find("\"ns\":\"shop.") != std::string::npos);
    }
  }
}

TEST_CASE("What can not be interpreted is no matter where the base is newer") {
  const std::vector<Bytes> entries = {
      test::entry({98, 1}, "i", "shop.a", 'A', R"("o":{"_id":5},"newField":1)"),
      command(99, "shop", 0, R"({"newCommand":1})"), insert(101, "shop.a", 'A', R"({"_id":7})")};
  CHECK(documents_at(shop(), entries, 101) == R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":7})");
}

TEST_CASE("What can not be interpreted and begins the window of a fuzzy base is in it already") {
  auto base = shop();
  base.window = {BaseKind::fuzzy, {101, 1}, {102, 1}};
  for (const Bytes& first :
       {command(101, "shop", 0, R"({"newCommand":1})"),
        test::entry({101, 1}, "i", "shop.a", 'A', R"("o":{"_id":5},"newField":1)")}) {
    const std::vector<Bytes> entries = {first, noop(102),
                                        insert(103, "shop.a", 'A', R"({"_id":7})")};
    CHECK(documents_at(base, entries, 103) == R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":7})");
  }
  const std::vector<Bytes> later = {noop(101), command(102, "shop", 0, R"({"newCommand":1})")};
  CHECK(error_at(base, later, 102).code == ErrorCode::unsupported);
}

TEST_CASE("A command that a person calls harmless is passed over and noted") {
  MaterialiseOptions options;
  options.rules.assumed_noop_commands = {"newCommand"};
  const auto result =
      materialise(shop(), {command(101, "shop", 0, R"({"newCommand":1})")}, 101, options);
  REQUIRE(result.has_value());
  REQUIRE(result->report.notes.size() == 1);
  CHECK(result->report.notes[0].find("newCommand") != std::string::npos);
}

TEST_CASE("Entries out of order are corrupt") {
  CHECK(error_at(shop(), {noop(102), noop(101)}, 102).code == ErrorCode::corrupt);
}

TEST_CASE("Noops, image noops included, change nothing") {
  const std::vector<Bytes> entries = {
      test::entry({101, 1}, "n", "shop.a", 'A', R"("o":{"_id":9,"x":1})"), noop(102)};
  CHECK(documents_at(shop(), entries, 102) == R"({"_id":1,"x":1} {"_id":2,"x":1})");
}

TEST_CASE("A list without a session is applied in order at one instant, and upserts") {
  const std::string o =
      R"({"applyOps":[)" +
      inner("u", "shop.a", 'A', R"("o":{"$v":2,"diff":{"i":{"n":1}}},"o2":{"_id":9})") + "," +
      inner("u", "shop.a", 'A', R"("o":{"_id":8,"r":1},"o2":{"_id":8})") + "," +
      inner("d", "shop.a", 'A', R"("o":{"_id":1})") + "," +
      inner("i", "shop.a", 'A', R"("o":{"_id":1,"again":true})") + "," +
      inner("n", "shop.a", 'A', R"("o":{"_id":77})") + "]}";
  CHECK(documents_at(shop(), {command(101, "admin", 0, o)}, 101) ==
        R"({"_id":1,"again":true} {"_id":2,"x":1} {"_id":8,"r":1} {"_id":9,"n":1})");
  const std::string strict = o.substr(0, o.size() - 1) + R"(,"alwaysUpsert":false})";
  CHECK(error_at(shop(), {command(101, "admin", 0, strict)}, 101).code == ErrorCode::anomaly);
}

TEST_CASE("Lists nest, up to a limit, and may hold commands and lack UUIDs") {
  std::string o = R"({"applyOps":[{"op":"i","ns":"shop.a","o":{"_id":5}},)" +
                  inner("c", "shop.$cmd", 'A',
                        R"("o":{"createIndexes":"a","v":2,"key":{"q":1},"name":"q_1"})") +
                  "]}";
  for (int depth = 0; depth < 5; ++depth)
    o = R"({"applyOps":[{"op":"c","ns":"admin.$cmd","o":)" + o + "}]}";
  const auto result = materialise(shop(), {command(101, "admin", 0, o)}, 101);
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : describe(result.error())));
  CHECK(result->documents("shop.a") == R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":5})");
  CHECK(result->sink.collections.at("shop.a").facts.indexes.size() == 2);
  for (int depth = 0; depth < 6; ++depth)
    o = R"({"applyOps":[{"op":"c","ns":"admin.$cmd","o":)" + o + "}]}";
  CHECK(error_at(shop(), {command(101, "admin", 0, o)}, 101).code == ErrorCode::unsupported);
}

TEST_CASE("A retryable batch insert is applied at its entry") {
  const auto batch =
      test::entry({101, 1}, "c", "admin.$cmd", 0,
                  R"("lsid":{"id":1},"txnNumber":{"$numberLong":"3"},"multiOpType":1,
                                    "o":{"applyOps":[)" +
                      inner("i", "shop.a", 'A', R"("o":{"_id":5},"stmtId":0)") + "," +
                      inner("i", "shop.a", 'A', R"("o":{"_id":6},"stmtId":1)") + "]}");
  CHECK(documents_at(shop(), {batch}, 101) ==
        R"({"_id":1,"x":1} {"_id":2,"x":1} {"_id":5} {"_id":6})");
}

TEST_CASE("Drop and create under the same name are two collections") {
  const std::vector<Bytes> entries = {command(101, "shop", 'A', R"({"drop":"a"})"),
                                      command(102, "shop", 'B', R"({"create":"a"})"),
                                      insert(103, "shop.a", 'B', R"({"_id":1,"new":true})")};
  CHECK(documents_at(shop(), entries, 101) == "(no such collection)");
  CHECK(documents_at(shop(), entries, 102).empty());
  CHECK(documents_at(shop(), entries, 103) == R"({"_id":1,"new":true})");
}

TEST_CASE("Only wanted names come out, by the name at T, through renames") {
  auto state = shop();
  add_collection(state, "shop.b", 'B', {R"({"_id":10})"});
  const std::vector<Bytes> entries = {
      update(101, "shop.b", 'B', "10", delta_x2),
      command(102, "shop", 'A', R"({"renameCollection":"shop.a","to":"shop.old"})"),
      command(103, "shop", 'B', R"({"renameCollection":"shop.b","to":"shop.a"})"),
      update(104, "shop.a", 'B', "10", R"({"$v":2,"diff":{"u":{"y":3}}})")};
  MaterialiseOptions options;
  options.wanted = [](std::string_view ns) { return ns == "shop.a"; };
  const auto later = materialise(state, entries, 104, options);
  REQUIRE(later.has_value());
  CHECK(later->sink.order == std::vector<std::string>{"shop.a"});
  CHECK(later->documents("shop.a") == R"({"_id":10,"x":2,"y":3})");
  const auto earlier = materialise(state, entries, 101, options);
  REQUIRE(earlier.has_value());
  CHECK(earlier->documents("shop.a") == R"({"_id":1,"x":1} {"_id":2,"x":1})");
  CHECK(earlier->report.effect_count == 1);
}

TEST_CASE("Views are documents of system.views; wanted ones are reported") {
  auto state = shop();
  add_collection(state, "shop.system.views", 'V',
                 {R"({"_id":"shop.v1","viewOn":"a","pipeline":[]})"});
  const std::vector<Bytes> entries = {
      insert(101, "shop.system.views", 'V',
             R"({"_id":"shop.v2","viewOn":"a","pipeline":[{"$match":{}}]})"),
      remove(102, "shop.system.views", 'V', R"("shop.v1")")};
  const auto both = materialise(state, entries, 101);
  REQUIRE(both.has_value());
  REQUIRE(both->report.views.size() == 2);
  CHECK(both->report.views[0].ns == "shop.v1");
  MaterialiseOptions options;
  options.wanted = [](std::string_view ns) { return ns == "shop.v2"; };
  const auto one = materialise(state, entries, 102, options);
  REQUIRE(one.has_value());
  REQUIRE(one->report.views.size() == 1);
  CHECK(bson::to_ext_json(bson::Document::trusted(one->report.views[0].options)) ==
        R"({"viewOn":"a","pipeline":[{"$match":{}}]})");
  CHECK(one->sink.order.empty());
}

TEST_CASE("What the base does not cover is counted, not taken for a gap") {
  const std::vector<Bytes> entries = {
      insert(101, "config.system.sessions", 'S', R"({"_id":1})"),
      command(102, "config", 'S', R"({"collMod":"system.sessions"})"),
      remove(103, "config.transactions", 'T', "1"),
      command(104, "shop", 'U', R"({"create":"new"})")};
  const auto result = materialise(shop(), entries, 104);
  REQUIRE_MESSAGE(result.has_value(), (result ? "" : describe(result.error())));
  CHECK(result->report.outside_base_count == 2);
  CHECK(result->sink.order == std::vector<std::string>{"shop.a", "shop.new"});
}

TEST_CASE("A capped collection keeps insertion order, and trims from the oldest") {
  auto state = exact_at(100);
  add_collection(state, "shop.log", 'L', {R"({"_id":9})", R"({"_id":3})"},
                 R"({"capped":true,"size":4096,"max":3})");
  const std::vector<Bytes> entries = {insert(101, "shop.log", 'L', R"({"_id":5})"),
                                      update(102, "shop.log", 'L', "3", delta_x2),
                                      insert(103, "shop.log", 'L', R"({"_id":1})"),
                                      update(104, "shop.log", 'L', "77", delta_x2),
                                      remove(105, "shop.log", 'L', "88"),
                                      command(106, "shop", 'L', R"({"emptycapped":"log"})"),
                                      insert(107, "shop.log", 'L', R"({"_id":2})")};
  CHECK(documents_at(state, entries, 100, "shop.log") == R"({"_id":9} {"_id":3})");
  CHECK(documents_at(state, entries, 102, "shop.log") == R"({"_id":9} {"_id":3,"x":2} {"_id":5})");
  const auto trimmed = materialise(state, entries, 105);
  REQUIRE(trimmed.has_value());
  CHECK(trimmed->documents("shop.log") == R"({"_id":3,"x":2} {"_id":5} {"_id":1})");
  CHECK(trimmed->sink.totals.at("shop.log").trimmed_count == 1);
  CHECK_FALSE(trimmed->sink.totals.at("shop.log").is_approximate_tail);
  CHECK(documents_at(state, entries, 106, "shop.log").empty());
  CHECK(documents_at(state, entries, 107, "shop.log") == R"({"_id":2})");
}

TEST_CASE("A capped collection trimmed by size is marked as approximate") {
  auto state = exact_at(100);
  const std::string filler(100, 'f');
  add_collection(state, "shop.log", 'L', {R"({"_id":9,"f":")" + filler + "\"}"},
                 R"({"capped":true,"size":256})");
  const std::vector<Bytes> entries = {
      insert(101, "shop.log", 'L', R"({"_id":1,"f":")" + filler + "\"}"),
      insert(102, "shop.log", 'L', R"({"_id":2,"f":")" + filler + "\"}")};
  const auto result = materialise(state, entries, 102);
  REQUIRE(result.has_value());
  CHECK(result->sink.collections.at("shop.log").documents.size() == 2);
  CHECK(result->sink.totals.at("shop.log").is_approximate_tail);
}

TEST_CASE("A base that is not in _id order, or has an _id twice, is corrupt") {
  auto unsorted = exact_at(100);
  add_collection(unsorted, "shop.a", 'A', {R"({"_id":2})", R"({"_id":1})"});
  CHECK(error_at(unsorted, {}, 100).code == ErrorCode::corrupt);
  auto doubled = exact_at(100);
  add_collection(doubled, "shop.a", 'A', {R"({"_id":1})", R"({"_id":1.0})"});
  CHECK(error_at(doubled, {}, 100).code == ErrorCode::corrupt);
}

TEST_CASE("An update that reaches into _id is corrupt") {
  auto state = exact_at(100);
  add_collection(state, "shop.a", 'A', {R"({"_id":{"k":1},"x":1})"});
  const std::vector<Bytes> entries = {
      update(101, "shop.a", 'A', R"({"k":1})", R"({"$v":2,"diff":{"s_id":{"u":{"k":2}}}})")};
  CHECK(error_at(state, entries, 101).code == ErrorCode::corrupt);
}

TEST_CASE("Index builds in progress and temporary collections are reported") {
  const std::vector<Bytes> entries = {
      command(101, "shop", 'A',
              R"({"startIndexBuild":"a","indexBuildUUID":)" + uuid_json('X') +
                  R"(,"indexes":[{"v":2,"key":{"n":1},"name":"n_1"}]})"),
      command(102, "shop", 'T', R"({"create":"tmp1","temp":true})")};
  const auto result = materialise(shop(), entries, 102);
  REQUIRE(result.has_value());
  REQUIRE(result->report.index_builds.size() == 1);
  CHECK(result->report.index_builds[0].started == Timestamp{101, 1});
  CHECK(result->sink.collections.at("shop.a").facts.indexes.size() == 1);
  CHECK(result->sink.collections.at("shop.tmp1").facts.is_temporary());
}

TEST_CASE("A change of the compatibility version is noted") {
  auto state = shop();
  add_collection(state, "admin.system.version", 'F',
                 {R"({"_id":"featureCompatibilityVersion","version":"4.4"})"});
  const std::vector<Bytes> entries = {update(101, "admin.system.version", 'F',
                                             R"("featureCompatibilityVersion")",
                                             R"({"$v":1,"$set":{"version":"5.0"}})")};
  const auto result = materialise(state, entries, 101);
  REQUIRE(result.has_value());
  REQUIRE(result->report.notes.size() == 1);
  CHECK(result->report.notes[0].find("featureCompatibilityVersion") != std::string::npos);
}

TEST_CASE("A collection that never gets its name back makes the moment inconsistent") {
  auto state = fuzzy_between(100, 110);
  add_collection(state, "shop.a", 'A', {});
  const std::vector<Bytes> entries = {command(101, "shop", 'B', R"({"create":"a"})"), noop(110)};
  CHECK(error_at(state, entries, 110).code == ErrorCode::anomaly);
}

}  // namespace
}  // namespace holdfast::oplog
