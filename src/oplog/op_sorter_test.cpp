#include "oplog/op_sorter.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

// A sorter of the operations of two collections, with so little memory that it spills all the time.
struct Fixture {
  explicit Fixture(std::size_t memory_bytes, Folding folding = Folding::fold)
      : catalog(Catalog::make({{test::uuid_of('A'), "shop.a", {}, {}},
                               {test::uuid_of('B'), "shop.b", {}, {}}})
                    .value()),
        anomalies(catalog),
        sorter(spill, memory_bytes, anomalies, [folding](CollectionNumber) { return folding; }) {}

  Result<void> add(EffectKind kind, const std::string& key, const std::string& body,
                   Strictness strictness = Strictness::strict, CollectionNumber collection = 0) {
    const Bytes bytes = body.empty() ? Bytes() : test::json(body);
    OpRecord op;
    op.collection = collection;
    op.kind = kind;
    op.strictness = strictness;
    op.expectation = kind == EffectKind::insert ? Expectation::absent : Expectation::present;
    op.order.entry = op.order.effective = {++second, 1};
    op.key = as_bytes(key);
    op.body = bytes;
    return sorter.add(op);
  }

  // "key:kind body" of every operation of a collection.
  std::vector<std::string> all(CollectionNumber collection = 0) {
    sorter.finish();
    std::vector<std::string> lines;
    const auto stream = sorter.stream(collection);
    while (const OpRecord* op = stream->next().value()) {
      std::string line = std::string(as_text(op->key)) + ":" +
                         std::to_string(static_cast<int>(op->kind)) +
                         std::to_string(static_cast<int>(op->expectation));
      if (!op->body.empty())
        line += bson::to_ext_json(bson::Document::trusted(op->body), bson::JsonForm::relaxed);
      lines.push_back(line);
    }
    return lines;
  }

  MemorySpill spill;
  Catalog catalog;
  Anomalies anomalies;
  OpSorter sorter;
  std::uint32_t second = 0;
};

using Lines = std::vector<std::string>;
constexpr std::size_t roomy = 1024 * 1024;
constexpr std::size_t tiny = 512;
const std::string delta = R"({"$v":2,"diff":{"u":{"x":2}}})";

TEST_CASE("Operations come out by key, then in the order in which they came") {
  for (const std::size_t memory : {roomy, tiny}) {
    Fixture fixture(memory, Folding::keep);
    for (int round = 0; round < 30; ++round) {
      for (const char* key :
           {"b", "a", "a longer key than sixteen bytes, b", "a longer key than sixteen bytes, a"})
        REQUIRE(fixture.add(EffectKind::delta, key, delta).has_value());
    }
    fixture.sorter.finish();
    const auto stream = fixture.sorter.stream(0);
    std::string last_key;
    OrderKey last_order;
    std::size_t count = 0;
    while (const OpRecord* op = stream->next().value()) {
      const std::string key(as_text(op->key));
      const bool ascends = key > last_key || (key == last_key && op->order > last_order);
      REQUIRE(ascends);
      last_key = key;
      last_order = op->order;
      ++count;
    }
    CHECK(count == 120);
    CHECK((fixture.sorter.spilled_run_count() > 0) == (memory == tiny));
  }
}

TEST_CASE("Collections do not mix and can be asked for in any order") {
  for (const std::size_t memory : {roomy, tiny}) {
    Fixture fixture(memory);
    for (int at = 0; at < 20; ++at) {
      const auto collection = static_cast<CollectionNumber>(at % 2);
      REQUIRE(
          fixture
              .add(EffectKind::remove, std::to_string(at + 10), "", Strictness::strict, collection)
              .has_value());
    }
    CHECK(fixture.all(1).size() == 10);
    CHECK(fixture.all(0).front() == "10:42");
    CHECK(fixture.sorter.has(1));
    CHECK_FALSE(fixture.sorter.has(7));
    CHECK(fixture.all(7).empty());
  }
}

TEST_CASE("Thousands of runs are merged into few") {
  Fixture fixture(tiny);
  for (int at = 0; at < 3000; ++at)
    REQUIRE(
        fixture.add(EffectKind::insert, std::to_string(100000 + at * 7919 % 3000), R"({"_id":1})")
            .has_value());
  CHECK(fixture.sorter.spilled_run_count() > runs_max * 2);
  const auto lines = fixture.all();
  REQUIRE(lines.size() == 3000);
  CHECK(std::is_sorted(lines.begin(), lines.end()));
}

// Fills the buffer, so that what came before is spilled and folded.
Lines folded(Fixture& fixture) {
  const std::string filler(2 * roomy, 'z');
  REQUIRE(fixture.add(EffectKind::remove, filler, "").has_value());
  auto lines = fixture.all();
  REQUIRE_FALSE(lines.empty());
  lines.pop_back();
  REQUIRE(fixture.sorter.spilled_run_count() == 1);
  return lines;
}

TEST_CASE("Spilling folds an insert and its updates into one insert") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1,"x":1})").has_value());
  REQUIRE(fixture.add(EffectKind::delta, "k", delta).has_value());
  CHECK(folded(fixture) == Lines{R"(k:01{"_id":1,"x":2})"});
}

TEST_CASE("Spilling keeps updates without a document as a list") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::delta, "k", delta).has_value());
  REQUIRE(fixture.add(EffectKind::delta, "k", delta).has_value());
  CHECK(folded(fixture) == Lines{"k:22" + delta, "k:22" + delta});
}

TEST_CASE("Updates before a replacement or removal stay, so that anomalies in them are found") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::delta, "k", delta).has_value());
  REQUIRE(fixture.add(EffectKind::replace, "k", R"({"_id":1,"y":1})").has_value());
  REQUIRE(fixture.add(EffectKind::delta, "m", delta).has_value());
  REQUIRE(fixture.add(EffectKind::remove, "m", "").has_value());
  CHECK(folded(fixture) == Lines{"k:22" + delta, R"(k:02{"_id":1,"y":1})", "m:22" + delta, "m:42"});
}

TEST_CASE("An insert of what is there already is an anomaly found while folding") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1})").has_value());
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1})").has_value());
  const auto spilled = fixture.add(EffectKind::remove, std::string(2 * roomy, 'z'), "");
  REQUIRE_FALSE(spilled.has_value());
  CHECK(spilled.error().code == ErrorCode::anomaly);
}

TEST_CASE("An insert and a removal leave a removal that expects nothing to be there") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1})").has_value());
  REQUIRE(fixture.add(EffectKind::remove, "k", "").has_value());
  CHECK(folded(fixture) == Lines{"k:41"});
}

TEST_CASE("RELAXED updates, which may be ignored, stay before an insert") {
  Fixture fixture(roomy);
  REQUIRE(fixture.add(EffectKind::delta, "k", delta, Strictness::relaxed).has_value());
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1,"x":1})").has_value());
  REQUIRE(fixture.add(EffectKind::delta, "k", delta).has_value());
  CHECK(folded(fixture) == Lines{"k:22" + delta, R"(k:01{"_id":1,"x":2})"});
}

TEST_CASE("Operations of a dropped collection are not spilled") {
  Fixture fixture(roomy, Folding::drop);
  REQUIRE(fixture.add(EffectKind::insert, "k", R"({"_id":1})").has_value());
  CHECK(folded(fixture).empty());
}

}  // namespace
}  // namespace holdfast::oplog
