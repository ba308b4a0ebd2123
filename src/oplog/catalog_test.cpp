#include "oplog/catalog.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::uuid_json;
using test::uuid_of;

// A catalog with `shop.a` (A) and `shop.b` (B), and commands one a second.
class World {
 public:
  World() {
    std::vector<CollectionFacts> base;
    for (const char letter : {'A', 'B'}) {
      const auto name = std::string("shop.") + static_cast<char>(letter - 'A' + 'a');
      base.push_back({uuid_of(letter),
                      name,
                      test::json("{}"),
                      {test::json(R"({"v":2,"key":{"_id":1},"name":"_id_"})")}});
    }
    catalog_ = std::move(Catalog::make(std::move(base)).value());
  }

  Result<CommandEffect> run(char uuid, const std::string& o, Strictness strictness) {
    ++second_;
    const auto bytes = test::command(second_, "shop", uuid, o);
    const auto entry = Entry::parse(bytes, {}).value();
    return catalog_.apply(entry, {entry.ts, entry.ts, 0}, strictness);
  }
  void fine(char uuid, const std::string& o, Strictness strictness = Strictness::strict) {
    const auto effect = run(uuid, o, strictness);
    REQUIRE_MESSAGE(effect.has_value(), o << (effect ? "" : describe(effect.error())));
    CHECK(effect->is_known);
  }
  void fails(char uuid, const std::string& o, ErrorCode code,
             Strictness strictness = Strictness::strict) {
    const auto effect = run(uuid, o, strictness);
    REQUIRE_FALSE_MESSAGE(effect.has_value(), o);
    CHECK(effect.error().code == code);
  }
  void absorbed(char uuid, const std::string& o) {
    const auto before = catalog_.anomaly_count();
    fine(uuid, o, Strictness::relaxed);
    CHECK(catalog_.anomaly_count() > before);
  }

  const Catalog& catalog() const { return catalog_; }
  const CatalogCollection& at(char letter) const {
    return catalog_.at(*catalog_.find(uuid_of(letter)));
  }
  std::string options(char letter) const { return text(at(letter).facts.options); }
  std::string indexes(char letter) const {
    std::string all;
    for (const auto& spec : at(letter).facts.indexes) all += text(spec);
    return all;
  }
  // Which UUID bears the name; 0: none.
  char holder(std::string_view ns) const {
    const auto number = catalog_.find_name(ns);
    return number ? static_cast<char>(catalog_.at(*number).facts.uuid.bytes[0]) : '\0';
  }

 private:
  static std::string text(const Bytes& document) {
    return bson::to_ext_json(bson::Document::trusted(document), bson::JsonForm::relaxed);
  }
  Catalog catalog_;
  std::uint32_t second_ = 100;
};

constexpr const char* id_index = R"({"v":2,"key":{"_id":1},"name":"_id_"})";

TEST_CASE("create brings a collection with all its options and the index on _id") {
  World world;
  world.fine(
      'C', std::string(R"({"create":"log","capped":true,"size":4096,"idIndex":)") + id_index + "}");
  CHECK(world.holder("shop.log") == 'C');
  CHECK(world.options('C') == R"({"capped":true,"size":4096})");
  CHECK(world.indexes('C') == id_index);
  CHECK(world.at('C').facts.is_capped());
}

TEST_CASE("create without idIndex does not invent one") {
  World world;
  world.fine('C', R"({"create":"ev","clusteredIndex":{"v":2,"key":{"_id":1},"unique":true}})");
  CHECK(world.indexes('C').empty());
  CHECK(world.at('C').facts.is_clustered());
}

TEST_CASE("create of what exists is an anomaly, absorbed in RELAXED") {
  const std::string again = R"({"create":"a","validator":{"x":1}})";
  World().fails('A', again, ErrorCode::anomaly);
  World world;
  world.absorbed('A', again);
  CHECK(world.options('A') == "{}");  // the base may be newer
}

TEST_CASE("create of a known collection under its older name renames it back in RELAXED") {
  World world;
  world.absorbed('A', R"({"create":"older"})");
  CHECK(world.holder("shop.older") == 'A');
  CHECK(world.holder("shop.a") == '\0');
  world.fine('A', R"({"renameCollection":"shop.older","to":"shop.a","stayTemp":false})");
  CHECK(world.holder("shop.a") == 'A');
}

TEST_CASE("create under a name from the future hides the holder until it gets its name back") {
  World().fails('C', R"({"create":"a"})", ErrorCode::anomaly);
  World world;
  world.absorbed('C', R"({"create":"a"})");
  CHECK(world.holder("shop.a") == 'C');
  CHECK(world.catalog().hidden() == std::vector<Uuid>{uuid_of('A')});
  world.fine('C', R"({"drop":"a"})", Strictness::relaxed);
  world.absorbed('A', R"({"create":"a"})");
  CHECK(world.holder("shop.a") == 'A');
  CHECK(world.catalog().hidden().empty());
}

TEST_CASE("A UUID is never used again") {
  World world;
  world.fine('A', R"({"drop":"a"})");
  world.fails('A', R"({"create":"a"})", ErrorCode::anomaly);
}

TEST_CASE("drop goes by UUID") {
  World world;
  world.fine('A', R"({"drop":"a"})");
  CHECK_FALSE(world.at('A').is_alive());
  CHECK(world.holder("shop.a") == '\0');
  world.fails('A', R"({"drop":"a"})", ErrorCode::anomaly);
  world.absorbed('A', R"({"drop":"a"})");
}

TEST_CASE("A drop without UUID goes by name") {
  World world;
  world.fine(0, R"({"drop":"a"})");
  CHECK_FALSE(world.at('A').is_alive());
}

TEST_CASE("rename drops its target, moves the name and clears temp") {
  World world;
  world.fine('C', R"({"create":"tmp1","temp":true,"collation":{"locale":"fr"}})");
  world.fine('C',
             R"({"renameCollection":"shop.tmp1","to":"shop.a","stayTemp":false,"dropTarget":)" +
                 uuid_json('A') + "}");
  CHECK_FALSE(world.at('A').is_alive());
  CHECK(world.holder("shop.a") == 'C');
  CHECK(world.options('C') == R"({"collation":{"locale":"fr"}})");
}

TEST_CASE("rename keeps temp when it is told to") {
  World world;
  world.fine('C', R"({"create":"tmp1","temp":true})");
  world.fine('C', R"({"renameCollection":"shop.tmp1","to":"shop.c","stayTemp":true})");
  CHECK(world.at('C').facts.is_temporary());
}

TEST_CASE("rename with dropTarget true drops by name") {
  World world;
  world.fine('A', R"({"renameCollection":"shop.a","to":"shop.b","dropTarget":true})");
  CHECK_FALSE(world.at('B').is_alive());
  CHECK(world.holder("shop.b") == 'A');
}

TEST_CASE("rename onto a held name, of an unknown source, or to an unknown target is an anomaly") {
  const std::string onto = R"({"renameCollection":"shop.a","to":"shop.b"})";
  World().fails('A', onto, ErrorCode::anomaly);
  World().fails('C', onto, ErrorCode::anomaly);
  const std::string gone =
      R"({"renameCollection":"shop.a","to":"shop.z","dropTarget":)" + uuid_json('Z') + "}";
  World().fails('A', gone, ErrorCode::anomaly);
  World world;
  world.absorbed('A', onto);
  CHECK(world.catalog().hidden() == std::vector<Uuid>{uuid_of('B')});
}

TEST_CASE("rename of an unknown source still drops its target in RELAXED") {
  World world;
  world.absorbed(
      'C', R"({"renameCollection":"shop.tmp1","to":"shop.a","dropTarget":)" + uuid_json('A') + "}");
  CHECK_FALSE(world.at('A').is_alive());
}

TEST_CASE("rename of what already has the name still drops its target in RELAXED") {
  World world;
  world.absorbed(
      'A', R"({"renameCollection":"shop.tmp1","to":"shop.a","dropTarget":)" + uuid_json('B') + "}");
  CHECK_FALSE(world.at('B').is_alive());
  CHECK(world.holder("shop.a") == 'A');
}

TEST_CASE("A rename into another database is refused") {
  World().fails('A', R"({"renameCollection":"shop.a","to":"other.a"})", ErrorCode::unsupported);
}

TEST_CASE("dropDatabase wants an empty database; RELAXED removes what is left") {
  World().fails(0, R"({"dropDatabase":1})", ErrorCode::anomaly);
  World world;
  world.absorbed(0, R"({"dropDatabase":1})");
  CHECK_FALSE(world.at('A').is_alive());
  world.absorbed('A', std::string(R"({"create":"a","idIndex":)") + id_index + "}");
  CHECK(world.at('A').is_alive());
  CHECK(world.at('A').emptied.has_value());
}

TEST_CASE("emptycapped leaves the collection and ends its documents") {
  World world;
  world.fine('A', R"({"emptycapped":"a"})");
  CHECK(world.at('A').is_alive());
  CHECK(world.at('A').emptied == OrderKey{{101, 1}, {101, 1}, 0});
}

TEST_CASE("createIndexes and commitIndexBuild append, startIndexBuild only announces") {
  World world;
  const std::string build = R"("indexBuildUUID":)" + uuid_json('X');
  world.fine('A', R"({"createIndexes":"a","v":2,"key":{"q":1},"name":"q_1"})");
  world.fine('A', R"({"startIndexBuild":"a",)" + build +
                      R"(,"indexes":[{"v":2,"key":{"n":1},"name":"n_1"}]})");
  CHECK(world.indexes('A') == std::string(id_index) + R"({"v":2,"key":{"q":1},"name":"q_1"})");
  REQUIRE(world.catalog().builds_in_progress().size() == 1);
  CHECK(world.catalog().builds_in_progress()[0].ns == "shop.a");
  world.fine('A', R"({"commitIndexBuild":"a",)" + build +
                      R"(,"indexes":[{"v":2,"key":{"n":1},"name":"n_1"}]})");
  CHECK(world.at('A').facts.indexes.size() == 3);
  CHECK(world.catalog().builds_in_progress().empty());
}

TEST_CASE("An aborted build and one whose collection is dropped are forgotten") {
  World world;
  const auto start = [&](char uuid, const char* name, char build) {
    world.fine(uuid, std::string(R"({"startIndexBuild":")") + name + R"(","indexBuildUUID":)" +
                         uuid_json(build) + R"(,"indexes":[]})");
  };
  start('A', "a", 'X');
  start('B', "b", 'Y');
  world.fine('A', R"({"abortIndexBuild":"a","indexBuildUUID":)" + uuid_json('X') + "}");
  world.fine('B', R"({"drop":"b"})");
  CHECK(world.catalog().builds_in_progress().empty());
}

TEST_CASE("An index that exists is ignored if equal by value, an anomaly if not") {
  World world;
  world.fine('A', R"({"createIndexes":"a","v":2,"key":{"q":1},"name":"q_1","ns":"shop.a"})");
  world.fine('A', R"({"createIndexes":"a","v":2,"name":"q_1","key":{"q":1.0}})");
  CHECK(world.at('A').facts.indexes.size() == 2);
  const std::string other = R"({"createIndexes":"a","v":2,"key":{"z":1},"name":"q_1"})";
  world.fails('A', other, ErrorCode::anomaly);
  world.absorbed('A', other);
  CHECK(world.at('A').facts.indexes.size() == 2);
}

TEST_CASE("dropIndexes goes by name, under all its names; a star spares _id_") {
  World world;
  for (const char* name : {"p", "q", "r", "s"})
    world.fine('A',
               std::string(R"({"createIndexes":"a","v":2,"key":{"x":1},"name":")") + name + "\"}");
  world.fine('A', R"({"dropIndexes":"a","index":"p"})");
  world.fine('A', R"({"deleteIndexes":"a","index":"q"})");
  CHECK(world.at('A').facts.indexes.size() == 3);
  world.fine('A', R"({"dropIndexes":"a","index":"*"})");
  CHECK(world.indexes('A') == id_index);
  world.fails('A', R"({"dropIndexes":"a","index":"p"})", ErrorCode::anomaly);
  world.absorbed('A', R"({"dropIndexes":"a","index":"p"})");
  world.fails('A', R"({"dropIndexes":"a","index":{"x":1}})", ErrorCode::unsupported);
}

TEST_CASE("collMod sets and removes options where the server writes them") {
  World world;
  world.fine('C', R"({"create":"c","capped":true,"size":4096,"collation":{"locale":"fr"}})");
  world.fine('C', R"({"collMod":"c","validator":{"x":1},"validationLevel":"moderate"})");
  CHECK(world.options('C') == R"({"capped":true,"size":4096,"validator":{"x":1},)"
                              R"("validationLevel":"moderate","collation":{"locale":"fr"}})");
  world.fine('C', R"({"collMod":"c","validator":{},"cappedSize":8192,"cappedMax":5})");
  CHECK(world.options('C') == R"({"capped":true,"size":8192,"max":5,)"
                              R"("validationLevel":"moderate","collation":{"locale":"fr"}})");
}

TEST_CASE("collMod changes expiry and time-series options") {
  World world;
  world.fine('C', R"({"create":"c","expireAfterSeconds":60,"timeseries":{"timeField":"t",)"
                  R"("granularity":"seconds"}})");
  world.fine('C', R"({"collMod":"c","expireAfterSeconds":"off",)"
                  R"("timeseries":{"granularity":"hours"}})");
  CHECK(world.options('C') == R"({"timeseries":{"timeField":"t","granularity":"hours"}})");
}

TEST_CASE("collMod that does not mention recordPreImages resets it") {
  World world;
  world.fine('A', R"({"collMod":"a","recordPreImages":true})");
  CHECK(world.options('A') == R"({"recordPreImages":true})");
  world.fine('A', R"({"collMod":"a","noPadding":true})");
  CHECK(world.options('A') == "{}");
}

TEST_CASE("collMod changes index specs by name or by key") {
  World world;
  world.fine('A', R"({"createIndexes":"a","v":2,"key":{"t":1},"name":"t_1","prepareUnique":true})");
  world.fine('A',
             R"({"collMod":"a","index":{"name":"t_1","expireAfterSeconds":3600,"hidden":true}})");
  CHECK(world.indexes('A') == std::string(id_index) +
                                  R"({"v":2,"key":{"t":1},"name":"t_1","prepareUnique":true,)"
                                  R"("expireAfterSeconds":3600,"hidden":true})");
  world.fine('A', R"({"collMod":"a","index":{"keyPattern":{"t":1},"hidden":false,"unique":true}})");
  CHECK(world.indexes('A') == std::string(id_index) +
                                  R"({"v":2,"key":{"t":1},"name":"t_1",)"
                                  R"("expireAfterSeconds":3600,"unique":true})");
  world.fails('A', R"({"collMod":"a","index":{"name":"nope","hidden":true}})", ErrorCode::anomaly);
  world.fails('A', R"({"collMod":"a","index":{"name":"t_1","strange":1}})", ErrorCode::unsupported);
}

TEST_CASE("Unknown members of collMod are refused, in RELAXED as well") {
  World().fails('A', R"({"collMod":"a","strange":1})", ErrorCode::unsupported, Strictness::relaxed);
}

TEST_CASE("Commands without effect are counted, unknown ones are reported") {
  World world;
  world.fine(0, R"({"dbCheck":"a"})");
  world.fine(0, R"({"importCollection":"a","dryRun":true})");
  CHECK(world.catalog().ignored_count() == 2);
  for (const char* o : {R"({"importCollection":"a"})", R"({"convertToCapped":"a"})",
                        R"({"createGlobalIndex":"a"})"}) {
    const auto effect = world.run(0, o, Strictness::relaxed);
    REQUIRE(effect.has_value());
    CHECK_FALSE(effect->is_known);
  }
}

TEST_CASE("A base with a UUID or a name twice is corrupt") {
  const auto facts = [](char letter, const char* name) {
    return CollectionFacts{uuid_of(letter), name, {}, {}};
  };
  CHECK_FALSE(Catalog::make({facts('A', "x.a"), facts('A', "x.b")}).has_value());
  CHECK_FALSE(Catalog::make({facts('A', "x.a"), facts('B', "x.a")}).has_value());
  CHECK(Catalog::make({facts('A', "x.a"), facts('B', "x.b")}).has_value());
}

TEST_CASE("Every name that a collection had is remembered") {
  World world;
  world.fine('A', R"({"renameCollection":"shop.a","to":"shop.c"})");
  const auto& names = world.at('A').names;
  REQUIRE(names.size() == 2);
  CHECK(names[0].second == "shop.a");
  CHECK(names[1] == std::pair(OrderKey{{101, 1}, {101, 1}, 0}, std::string("shop.c")));
}

}  // namespace
}  // namespace holdfast::oplog
