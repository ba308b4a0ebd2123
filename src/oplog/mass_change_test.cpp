#include "oplog/mass_change.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

// Entries at any second; several within one second get ordinals.
class Stream {
 public:
  std::vector<Bytes> entries;

  test::At at(std::uint32_t second) {
    ordinal_ = second == second_ ? ordinal_ + 1 : 1;
    second_ = second;
    return {second, ordinal_};
  }
  void remove(std::uint32_t second, int id, const std::string& more = "",
              const std::string& ns = "shop.orders") {
    entries.push_back(
        test::entry(at(second), "d", ns, 'A', R"("o":{"_id":)" + std::to_string(id) + "}" + more));
  }
  void update(std::uint32_t second, int id, const std::string& field,
              const std::string& more = "") {
    entries.push_back(test::entry(at(second), "u", "shop.orders", 'A',
                                  R"("o":{"$v":2,"diff":{"u":{")" + field +
                                      "\":" + std::to_string(id * 7) + R"(}}},"o2":{"_id":)" +
                                      std::to_string(id) + "}" + more));
  }
  void insert(std::uint32_t second, int id) {
    entries.push_back(test::entry(at(second), "i", "shop.orders", 'A',
                                  R"("o":{"_id":)" + std::to_string(id) + "}"));
  }
  void command(std::uint32_t second, const std::string& o, const std::string& more = "") {
    entries.push_back(test::entry(at(second), "c", "shop.$cmd", 'A', "\"o\":" + o + more));
  }

  MassChangeReport scan(MassChangeOptions options = {}) const {
    MemorySpill spill;
    MassChangeScan scan(spill, options);
    for (const Bytes& entry : entries) REQUIRE(scan.accept(entry).has_value());
    return scan.finish();
  }

 private:
  std::uint32_t second_ = 0;
  std::uint32_t ordinal_ = 0;
};

std::string session(char letter, int number) {
  return R"(,"lsid":{"id":)" + test::uuid_json(letter) + R"(},"txnNumber":{"$numberLong":")" +
         std::to_string(number) + R"("},"stmtId":0)";
}

std::int64_t id_in(const Bytes& id) {
  return *bson::Document::trusted(id).begin()->value.as_integer();
}

TEST_CASE("one statement that deletes many is found with its ends and the moment before it") {
  Stream stream;
  for (int id = 0; id < 20; ++id) stream.insert(100, id);
  for (int id = 0; id < 100; ++id)
    stream.remove(200 + static_cast<std::uint32_t>(id) / 40, 99 - id);
  stream.insert(300, 1000);
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  const auto& found = report.changes[0];
  CHECK(found.kind == MassKind::deletes);
  CHECK(found.statement == Statement::many);
  CHECK(found.ns == "shop.orders");
  CHECK(found.count == 100);
  CHECK(found.first.ts == Timestamp{200, 1});
  CHECK(found.last.ts == Timestamp{202, 20});
  CHECK(found.before == Timestamp{100, 20});
  CHECK(id_in(found.first_id) == 99);
  CHECK(id_in(found.last_id) == 0);
  CHECK(id_in(found.lowest_id) == 0);
  CHECK(id_in(found.highest_id) == 99);
}

TEST_CASE("fewer than the threshold, or spread over time, are no burst") {
  Stream few;
  for (int id = 0; id < 49; ++id) few.remove(100, id);
  CHECK(few.scan().changes.empty());
  Stream slow;
  for (int id = 0; id < 200; ++id) slow.remove(100 + static_cast<std::uint32_t>(id) * 2, id);
  CHECK(slow.scan().changes.empty());
  MassChangeOptions lower;
  lower.count_min = 20;
  CHECK(slow.scan(lower).changes.size() == 1);
}

TEST_CASE("a stray change before a burst is not its beginning") {
  Stream stream;
  stream.remove(100, 5000);
  for (int id = 0; id < 100; ++id) stream.remove(150, id);
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].count == 100);
  CHECK(report.changes[0].before == Timestamp{100, 1});
}

TEST_CASE("deletes of one session are told from the everyday deletes of others") {
  Stream stream;
  for (int id = 0; id < 5; ++id) stream.remove(100, 1000 + id, session('X', id + 1));
  for (int id = 0; id < 60; ++id) stream.remove(103, id, session('B', id + 1));
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].statement == Statement::single);
  CHECK(report.changes[0].count == 60);
  CHECK(report.changes[0].session_count == 1);
  CHECK(report.changes[0].session.find("$binary") != std::string::npos);
  CHECK(report.changes[0].before == Timestamp{100, 5});
}

TEST_CASE("deletes inside a transaction count when it commits, and not when it aborts") {
  std::string operations;
  for (int id = 0; id < 80; ++id)
    operations += (id == 0 ? "" : ",") +
                  test::inner("d", "shop.orders", 'A', R"("o":{"_id":)" + std::to_string(id) + "}");
  const std::string list = R"({"applyOps":[)" + operations + "]";
  Stream stream;
  stream.insert(99, 1);
  stream.entries.push_back(test::piece({100}, 'S', 1, 0, list + "}"));
  stream.entries.push_back(test::piece({110}, 'S', 2, 0, list + R"(,"prepare":true})"));
  stream.entries.push_back(test::piece({111}, 'S', 2, 110, R"({"abortTransaction":1})"));
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].statement == Statement::transaction);
  CHECK(report.changes[0].count == 80);
  CHECK(report.changes[0].first.ts == Timestamp{100, 1});
  CHECK(report.changes[0].before == Timestamp{99, 1});
}

TEST_CASE("deletes that the server grouped are found") {
  std::string operations;
  for (int id = 0; id < 70; ++id)
    operations += (id == 0 ? "" : ",") +
                  test::inner("d", "shop.orders", 'A', R"("o":{"_id":)" + std::to_string(id) + "}");
  Stream stream;
  stream.command(100, R"({"applyOps":[)" + operations + "]}");
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].statement == Statement::apply_ops);
  CHECK(report.changes[0].count == 70);
}

TEST_CASE("updates of one shape make a burst, updates of many shapes do not") {
  Stream one;
  for (int id = 0; id < 60; ++id) one.update(100, id, "price");
  const auto report = one.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].kind == MassKind::updates);
  CHECK(report.changes[0].shape == "set price");
  Stream many;
  for (int id = 0; id < 60; ++id) many.update(100, id, "f" + std::to_string(id % 3));
  CHECK(many.scan().changes.empty());
}

TEST_CASE("single updates of applications need to be many more") {
  Stream stream;
  for (int id = 0; id < 300; ++id) stream.update(100, id, "seen", session('S', id + 1));
  CHECK(stream.scan().changes.empty());
  for (int id = 300; id < 600; ++id) stream.update(100, id, "seen", session('S', id + 1));
  CHECK(stream.scan().changes.size() == 1);
}

TEST_CASE("regular passes without a session look like expiry, and a far larger one does not") {
  Stream stream;
  int id = 0;
  for (std::uint32_t pass = 0; pass < 6; ++pass) {
    for (int count = 0; count < 60; ++count) stream.remove(1000 + pass * 61, id++);
  }
  auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].statement == Statement::expiry);
  CHECK(report.changes[0].pass_count == 6);
  CHECK(report.changes[0].count == 360);

  for (int count = 0; count < 1000; ++count) stream.remove(1000 + 6 * 61, id++);
  for (int count = 0; count < 60; ++count) stream.remove(1000 + 7 * 61, id++);
  report = stream.scan();
  REQUIRE(report.changes.size() == 2);
  CHECK(report.changes[1].statement == Statement::many);
  CHECK(report.changes[1].count == 1000);
  CHECK(report.changes[1].before == Timestamp{1000 + 5 * 61, 60});
}

TEST_CASE("drops and renames over a collection are found whatever they held") {
  Stream stream;
  stream.insert(99, 1);
  stream.command(100, R"({"drop":"orders"})", R"(,"o2":{"numRecords":{"$numberLong":"12"}})");
  stream.command(101, R"({"renameCollection":"shop.tmp","to":"shop.items","dropTarget":)" +
                          test::uuid_json('I') + "}");
  stream.command(102, R"({"renameCollection":"shop.a","to":"shop.b"})");
  stream.command(103, R"({"emptycapped":"log"})");
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 3);
  CHECK(report.changes[0].kind == MassKind::drop);
  CHECK(report.changes[0].ns == "shop.orders");
  CHECK(report.changes[0].count == 12);
  CHECK(report.changes[0].before == Timestamp{99, 1});
  CHECK(report.changes[1].kind == MassKind::replaced_by_rename);
  CHECK(report.changes[1].ns == "shop.items");
  CHECK(report.changes[1].uuid == test::uuid_of('I'));
  CHECK(report.changes[2].kind == MassKind::emptied);
}

TEST_CASE("a dropped database is one finding, from its first collection on") {
  Stream stream;
  stream.insert(99, 1);
  stream.command(100, R"({"drop":"orders"})", R"(,"o2":{"numRecords":3})");
  stream.command(101, R"({"drop":"items"})", R"(,"o2":{"numRecords":4})");
  stream.command(102, R"({"dropDatabase":1})");
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].kind == MassKind::drop_database);
  CHECK(report.changes[0].ns == "shop");
  CHECK(report.changes[0].count == 7);
  CHECK(report.changes[0].before == Timestamp{99, 1});
  CHECK(report.changes[0].first.ts == Timestamp{100, 1});
}

TEST_CASE("what happened before the time asked about does not count") {
  Stream stream;
  for (int id = 0; id < 100; ++id) stream.remove(100, id);
  for (int id = 0; id < 60; ++id) stream.remove(500, id);
  MassChangeOptions options;
  options.from = {400, 0};
  const auto report = stream.scan(options);
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].count == 60);
  CHECK(report.entry_count == 60);
}

TEST_CASE("an entry that can not be read is counted and passed over") {
  Stream stream;
  for (int id = 0; id < 30; ++id) stream.remove(100, id);
  stream.remove(100, 30, R"(,"unheardOf":1)");
  for (int id = 31; id < 60; ++id) stream.remove(100, id);
  const auto report = stream.scan();
  REQUIRE(report.changes.size() == 1);
  CHECK(report.changes[0].count == 59);
  CHECK(report.unreadable_count == 1);
  CHECK(report.notes.size() == 1);
}

TEST_CASE("memory stays bounded over more places and findings than are kept") {
  Stream stream;
  for (int number = 0; number < 3000; ++number)
    stream.remove(100 + static_cast<std::uint32_t>(number), 1, "",
                  "shop.c" + std::to_string(number));
  for (int number = 0; number < 3000; ++number)
    stream.command(5000 + static_cast<std::uint32_t>(number),
                   R"({"drop":"c)" + std::to_string(number) + "\"}");
  const auto report = stream.scan();
  CHECK(report.changes.size() == mass_changes_max);
  CHECK(report.left_out_count == 3000 - mass_changes_max);
  for (std::size_t at = 1; at < report.changes.size(); ++at)
    CHECK(report.changes[at - 1].first.ts < report.changes[at].first.ts);
}

}  // namespace
}  // namespace holdfast::oplog
