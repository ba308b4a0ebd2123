#include "oplog/history.hpp"

#include <doctest/doctest.h>

#include "bson/compare.hpp"
#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::command;
using test::insert;
using test::noop;
using test::remove;
using test::StoredState;
using test::update;

// "kind@second ns document" of every version of the document with that `_id` (extended JSON).
std::vector<std::string> versions(const StoredState& state, const std::vector<Bytes>& entries,
                                  const std::string& ns, const std::string& id) {
  const auto wanted = test::json("{\"_id\":" + id + "}");
  test::StoredBase base(state);
  test::StoredEntries source(entries);
  MemorySpill spill;
  const BaseLookup lookup = [&](const CollectionFacts& facts,
                                bson::Value value) -> Result<std::optional<Bytes>> {
    const auto found = state.collections.find(facts.ns);
    if (found == state.collections.end()) return std::nullopt;
    for (const auto& document : found->second.documents) {
      if (bson::is_same(*bson::Document::trusted(document).find("_id"), value)) return document;
    }
    return std::nullopt;
  };
  HistoryRequest request;
  request.ns = ns;
  request.id = *bson::Document::trusted(wanted).find("_id");
  const auto history = history_of(base, lookup, source, spill, request);
  REQUIRE_MESSAGE(history.has_value(), (history ? "" : describe(history.error())));
  std::vector<std::string> lines;
  for (const auto& version : *history) {
    std::string line = std::string(name_of(version.kind)) + "@" +
                       std::to_string(version.order.effective.seconds) + " " + version.ns + " ";
    line += version.document ? bson::to_ext_json(bson::Document::trusted(*version.document),
                                                 bson::JsonForm::relaxed)
                             : "gone";
    lines.push_back(line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST_CASE("Every version of a document is shown, and nothing of its neighbours") {
  auto state = test::exact_at(100);
  test::add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":1})", R"({"_id":2,"x":1})"});
  const std::vector<Bytes> entries = {
      insert(101, "shop.a", 'A', R"({"_id":3})"),
      update(102, "shop.a", 'A', "1", R"({"$v":2,"diff":{"u":{"x":2}}})"),
      update(103, "shop.a", 'A', "2", R"({"$v":2,"diff":{"u":{"x":9}}})"),
      update(104, "shop.a", 'A', "1", R"({"_id":1,"y":3})"),
      remove(105, "shop.a", 'A', "1"),
      insert(106, "shop.a", 'A', R"({"_id":1,"z":4})")};
  CHECK(versions(state, entries, "shop.a", "1.0") ==
        Lines{R"(base@100 shop.a {"_id":1,"x":1})", R"(update@102 shop.a {"_id":1,"x":2})",
              R"(replace@104 shop.a {"_id":1,"y":3})", "remove@105 shop.a gone",
              R"(insert@106 shop.a {"_id":1,"z":4})"});
  CHECK(versions(state, entries, "shop.a", "77").empty());
}

TEST_CASE("Versions follow the collection through renames and the name through collections") {
  auto state = test::exact_at(100);
  test::add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":1})"});
  const std::vector<Bytes> entries = {
      command(101, "shop", 'A', R"({"renameCollection":"shop.a","to":"shop.old"})"),
      update(102, "shop.old", 'A', "1", R"({"$v":2,"diff":{"u":{"x":2}}})"),
      command(103, "shop", 'B', R"({"create":"a"})"),
      insert(104, "shop.a", 'B', R"({"_id":1,"new":true})"),
      command(105, "shop", 'B', R"({"drop":"a"})")};
  CHECK(versions(state, entries, "shop.a", "1") ==
        Lines{R"(base@100 shop.a {"_id":1,"x":1})", R"(update@102 shop.old {"_id":1,"x":2})",
              R"(insert@104 shop.a {"_id":1,"new":true})", "collection dropped@105 shop.a gone"});
  CHECK(versions(state, entries, "shop.old", "1").size() == 2);
}

TEST_CASE("A prepared transaction's version stands at its commitTimestamp") {
  auto state = test::exact_at(100);
  test::add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":1})"});
  const std::vector<Bytes> entries = {
      test::piece(101, 'S', 4, 0,
                  R"({"applyOps":[)" +
                      test::inner("u", "shop.a", 'A',
                                  R"("o":{"$v":2,"diff":{"u":{"x":5}}},"o2":{"_id":1})") +
                      R"(],"prepare":true})"),
      noop(103),
      test::piece(108, 'S', 4, 101,
                  R"({"commitTransaction":1,"commitTimestamp":{"$timestamp":{"t":106,"i":1}}})")};
  CHECK(versions(state, entries, "shop.a", "1") ==
        Lines{R"(base@100 shop.a {"_id":1,"x":1})", R"(update@106 shop.a {"_id":1,"x":5})"});
}

TEST_CASE("A fuzzy base's version is the one after its window") {
  auto state = test::fuzzy_between(100, 110);
  test::add_collection(state, "shop.a", 'A', {R"({"_id":1,"x":2})"});
  const std::vector<Bytes> entries = {
      update(105, "shop.a", 'A', "1", R"({"$v":2,"diff":{"u":{"x":1}}})"),
      update(106, "shop.a", 'A', "1", R"({"$v":2,"diff":{"u":{"x":2}}})"), noop(110),
      command(112, "shop", 'A', R"({"emptycapped":"a"})")};
  CHECK(versions(state, entries, "shop.a", "1") ==
        Lines{R"(base@110 shop.a {"_id":1,"x":2})", "collection emptied@112 shop.a gone"});
}

}  // namespace
}  // namespace holdfast::oplog
