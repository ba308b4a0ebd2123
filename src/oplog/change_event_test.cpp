#include "oplog/change_event.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"
#include "doubles/oplog_story.hpp"
#include "oplog/entry.hpp"
#include "oplog/segment.hpp"

namespace holdfast::oplog {
namespace {

using bson::Document;

// An event of collection shop.a, UUID "AA…"; `fields` are JSON members.
Bytes event(std::uint32_t second, std::string_view type, const std::string& fields,
            std::uint32_t ordinal = 1) {
  return test::json(R"({"_id":{"_data":"82"},"operationType":")" + std::string(type) +
                    R"(","clusterTime":{"$timestamp":{"t":)" + std::to_string(second) + R"(,"i":)" +
                    std::to_string(ordinal) +
                    R"(}},"wallTime":{"$date":"2026-11-25T21:00:00Z"},"collectionUUID":)" +
                    test::uuid_json('A') + R"(,"ns":{"db":"shop","coll":"a"})" +
                    (fields.empty() ? "" : ",") + fields + "}");
}

// The entries of events, all moments complete.
Result<std::vector<Bytes>> entries_of(const std::vector<Bytes>& events) {
  ChangeEvents changes;
  std::vector<Bytes> entries;
  for (const Bytes& each : events) {
    auto entry = TRY(changes.add(Document::trusted(each)));
    if (entry) entries.push_back(std::move(*entry));
  }
  if (auto entry = changes.finish()) entries.push_back(std::move(*entry));
  return entries;
}

std::string o_of(const Bytes& entry) {
  const auto parsed = Entry::parse(entry, {});
  REQUIRE_MESSAGE(parsed.has_value(), describe(parsed.error()));
  return bson::to_ext_json(parsed->o, bson::JsonForm::relaxed);
}

std::string update_text(const std::string& description) {
  const Bytes bytes = test::json(description);
  const auto update = update_of(Document::trusted(bytes));
  if (!update.has_value()) return std::string(name_of(update.error().code));
  return bson::to_ext_json(Document::trusted(*update), bson::JsonForm::relaxed);
}

// shop.a with one document, changed by events: what is there at the end.
std::string changed(const std::string& document, const std::vector<Bytes>& events) {
  auto state = test::exact_at(5);
  test::add_collection(state, "shop.a", 'A', {document});
  auto entries = entries_of(events);
  REQUIRE_MESSAGE(entries.has_value(), describe(entries.error()));
  entries->insert(entries->begin(), change_noop({5, 1}));
  entries->push_back(change_noop({100, 1}));
  const auto result = test::materialise(state, *entries, 100);
  REQUIRE_MESSAGE(result.has_value(), describe(result.error()));
  return result->documents("shop.a");
}

std::string updated(const std::string& document, const std::string& description) {
  return changed(
      document,
      {event(10, "update", R"("documentKey":{"_id":1},"updateDescription":)" + description)});
}

}  // namespace

TEST_CASE("Changes of documents become entries that the engine applies") {
  CHECK(changed(R"({"_id":1,"a":1})",
                {event(10, "insert", R"("documentKey":{"_id":2},"fullDocument":{"_id":2,"b":1})"),
                 event(11, "replace", R"("documentKey":{"_id":1},"fullDocument":{"_id":1,"c":3})"),
                 event(12, "update",
                       R"("documentKey":{"_id":2},"updateDescription":)"
                       R"({"updatedFields":{"b":5,"n":1},"removedFields":[]})")}) ==
        R"({"_id":1,"c":3} {"_id":2,"b":5,"n":1})");
  CHECK(changed(R"({"_id":1})", {event(10, "delete", R"("documentKey":{"_id":1})")}).empty());
}

TEST_CASE("Updates reach into objects and arrays, in the places that they had") {
  CHECK(updated(R"({"_id":1,"a":{"b":1,"c":2},"z":0})",
                R"({"updatedFields":{"a.b":9,"a.n":1},"removedFields":["a.c"]})") ==
        R"({"_id":1,"a":{"b":9,"n":1},"z":0})");
  CHECK(updated(R"({"_id":1,"l":[1,2,3,4]})",
                R"({"updatedFields":{"l.0":9},"removedFields":[],)"
                R"("truncatedArrays":[{"field":"l","newSize":2}],)"
                R"("disambiguatedPaths":{"l.0":["l",0]}})") == R"({"_id":1,"l":[9,2]})");
  CHECK(updated(R"({"_id":1,"l":[{"x":1},{"x":2}]})",
                R"({"updatedFields":{"l.1.x":7},"removedFields":[],)"
                R"("disambiguatedPaths":{"l.1.x":["l",1,"x"]}})") ==
        R"({"_id":1,"l":[{"x":1},{"x":7}]})");
  CHECK(updated(R"({"_id":1,"o":{"0":1}})",
                R"({"updatedFields":{"o.0":7},"removedFields":[],)"
                R"("disambiguatedPaths":{"o.0":["o","0"]}})") == R"({"_id":1,"o":{"0":7}})");
  CHECK(updated(R"({"_id":1,"a.b":1})",
                R"({"updatedFields":{"a.b":2},"removedFields":[],)"
                R"("disambiguatedPaths":{"a.b":["a.b"]}})") == R"({"_id":1,"a.b":2})");
}

TEST_CASE("A path that can mean two things is refused, and so is one that contradicts another") {
  CHECK(update_text(R"({"updatedFields":{"l.0":9},"removedFields":[]})") == "unsupported");
  CHECK(update_text(R"({"updatedFields":{},"removedFields":["l.0.x"]})") == "unsupported");
  CHECK(update_text(R"({"updatedFields":{"a":1,"a.b":2},"removedFields":[]})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{"a":1},"removedFields":["a"]})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{"l.0":1,"l.x":2},"removedFields":[],)"
                    R"("disambiguatedPaths":{"l.0":["l",0]}})") == "malformed");
  CHECK(update_text(R"({"updatedFields":[]})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{},"removedFields":["a.b","a"]})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{"a":1},"disambiguatedPaths":{"a":[]}})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{"a":1},"disambiguatedPaths":{"a":[0]}})") == "malformed");
  CHECK(update_text(R"({"updatedFields":{},"truncatedArrays":[{"field":"l"}]})") == "malformed");
}

TEST_CASE("The events of a transaction are one entry") {
  const auto entries = entries_of({event(10, "insert", R"("fullDocument":{"_id":1})"),
                                   event(10, "insert", R"("fullDocument":{"_id":2})"),
                                   event(10, "delete", R"("documentKey":{"_id":1})"),
                                   event(11, "insert", R"("fullDocument":{"_id":3})")});
  REQUIRE(entries.has_value());
  REQUIRE(entries->size() == 2);
  CHECK(optime_of((*entries)[0])->ts == Timestamp{10, 1});
  CHECK(o_of((*entries)[0]).find("applyOps") != std::string::npos);
  CHECK(o_of((*entries)[1]) == R"({"_id":3})");
  CHECK(changed(R"({"_id":9})", {event(10, "insert", R"("fullDocument":{"_id":1})"),
                                 event(10, "insert", R"("fullDocument":{"_id":2})"),
                                 event(10, "delete", R"("documentKey":{"_id":1})")}) ==
        R"({"_id":2} {"_id":9})");
}

TEST_CASE("The same events give the same bytes") {
  const std::vector<Bytes> events{event(10, "insert", R"("fullDocument":{"_id":1})"),
                                  event(10, "insert", R"("fullDocument":{"_id":2})"),
                                  event(11, "drop", "")};
  CHECK(*entries_of(events) == *entries_of(events));
}

TEST_CASE("Commands on collections become the oplog's own") {
  const auto entries = entries_of(
      {event(10, "create", R"("operationDescription":{"capped":true,"size":4096})"),
       event(11, "createIndexes",
             R"("operationDescription":{"indexes":[{"v":2,"key":{"q":1},"name":"q_1"}]})"),
       event(12, "dropIndexes",
             R"("operationDescription":{"indexes":[{"v":2,"key":{"q":1},"name":"q_1"}]})"),
       event(13, "modify", R"("operationDescription":{"validator":{"x":1}})"),
       event(14, "rename", R"("to":{"db":"shop","coll":"b"})"), event(15, "drop", ""),
       event(16, "dropDatabase", ""), event(17, "shardCollection", "")});
  REQUIRE_MESSAGE(entries.has_value(), describe(entries.error()));
  REQUIRE(entries->size() == 8);
  CHECK(o_of((*entries)[0]) == R"({"create":"a","capped":true,"size":4096})");
  CHECK(o_of((*entries)[1]) == R"({"createIndexes":"a","v":2,"key":{"q":1},"name":"q_1"})");
  CHECK(o_of((*entries)[2]) == R"({"dropIndexes":"a","index":"q_1"})");
  CHECK(o_of((*entries)[3]) == R"({"collMod":"a","validator":{"x":1}})");
  CHECK(o_of((*entries)[4]) == R"({"renameCollection":"shop.a","to":"shop.b","stayTemp":false})");
  CHECK(o_of((*entries)[5]) == R"({"drop":"a"})");
  CHECK(o_of((*entries)[6]) == R"({"dropDatabase":1})");
  CHECK(Entry::parse((*entries)[7], {})->op == Op::noop);
}

TEST_CASE("A position proves that nothing is missing before it, and is a no-op") {
  ChangeEvents changes;
  const Bytes first = event(10, "insert", R"("fullDocument":{"_id":1})");
  CHECK_FALSE(changes.add(Document::trusted(first))->has_value());
  CHECK_FALSE(changes.advance_to({10, 1}).has_value());  // more may come of this moment
  const auto entry = changes.advance_to({10, 2});
  REQUIRE(entry.has_value());
  CHECK(optime_of(*entry)->ts == Timestamp{10, 1});
  CHECK_FALSE(changes.advance_to({10, 2}).has_value());
  const auto noop = changes.advance_to({12, 0});
  REQUIRE(noop.has_value());
  CHECK(optime_of(*noop)->ts == Timestamp{11, 0xFFFFFFFF});
  CHECK(*noop == change_noop({11, 0xFFFFFFFF}));
  CHECK_FALSE(changes.add(Document::trusted(first)).has_value());  // time does not go back
}

TEST_CASE("Events without a UUID, of unknown kinds and no events at all are refused") {
  ChangeEvents changes;
  const auto refusal = [&](const Bytes& bytes) {
    return changes.add(Document::trusted(bytes)).error().code;
  };
  CHECK(refusal(test::json(R"({"operationType":"insert","clusterTime":{"$timestamp":{"t":1,)"
                           R"("i":1}},"ns":{"db":"a","coll":"b"},"fullDocument":{"_id":1}})")) ==
        ErrorCode::unsupported);
  CHECK(refusal(event(20, "teleport", "")) == ErrorCode::unsupported);
  CHECK(refusal(event(20, "insert", "")) == ErrorCode::malformed);
  CHECK(refusal(event(20, "invalidate", "")) == ErrorCode::history_lost);
  CHECK(refusal(test::json("{}")) == ErrorCode::malformed);
}

TEST_CASE("A resume token tells its moment") {
  const auto time = [](const std::string& text) {
    const Bytes token = test::json(text);
    return time_of_token(Document::trusted(token));
  };
  CHECK(time(R"({"_data":"82656D1F1A000000052B0429296E1404"})") == Timestamp{0x656D1F1A, 5});
  CHECK_FALSE(time(R"({"_data":"82656D1F1A0000"})").has_value());
  CHECK_FALSE(time(R"({"_data":"92656D1F1A00000005"})").has_value());
  CHECK_FALSE(time(R"({"_data":5})").has_value());
}

}  // namespace holdfast::oplog
