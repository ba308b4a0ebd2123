#include "recover/restore_mongo.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"
#include "recover/restore_parts.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

RestoreMongoOptions options(InPlace in_place = InPlace::no, std::string confirm = "") {
  RestoreMongoOptions made;
  made.moment.dataset = "shop";
  made.in_place = in_place;
  made.confirm = std::move(confirm);
  return made;
}

RestoreMongoPlan occupied_plan() {
  RestoreMongoPlan plan;
  plan.target = "mongodb://h/";
  plan.occupied = {{"shop.a", 5}, {"shop.b", 1}};
  return plan;
}

RestoredCollection read_back(std::string target_ns, std::uint64_t count) {
  RestoredCollection collection;
  collection.target_ns = std::move(target_ns);
  collection.count = collection.target_count = count;
  return collection;
}

}  // namespace

TEST_CASE("An empty target needs no permission") {
  CHECK(require_allowed({}, options()).has_value());
}

TEST_CASE("A target that holds wanted namespaces is refused and they are named") {
  const auto refused = require_allowed(occupied_plan(), options());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::refused);
  CHECK(refused.error().message.find("shop.a has 5 documents, and 1 more namespaces") !=
        std::string::npos);
}

TEST_CASE("In place needs the name of the dataset, whatever is there") {
  for (const auto* confirm : {"", "Shop", "shop "}) {
    CHECK_FALSE(require_allowed(occupied_plan(), options(InPlace::yes, confirm)).has_value());
    CHECK_FALSE(require_allowed({}, options(InPlace::yes, confirm)).has_value());
  }
  CHECK(require_allowed(occupied_plan(), options(InPlace::yes, "shop")).has_value());
}

TEST_CASE("A restored collection is equal by count and digest together") {
  RestoredCollection collection;
  CHECK(collection.is_equal());
  collection.count = 1;
  CHECK_FALSE(collection.is_equal());
  collection.target_count = 1;
  CHECK(collection.is_equal());
  const std::array<std::uint8_t, 32> one{1};
  collection.digest = bson::Digest256::from_bytes(one);
  CHECK_FALSE(collection.is_equal());
}

TEST_CASE("A user that the target has is replaced only in place") {
  const std::vector<Bytes> documents = {bson::parse_ext_json(R"({"_id": "admin.appu"})").value(),
                                        bson::parse_ext_json(R"({"_id": "shop.clerk"})").value()};
  using Names = std::vector<std::string>;
  const auto share = share_of(documents, {"admin.appu", "admin.root"}, InPlace::no);
  CHECK(share.written == Names{"shop.clerk"});
  CHECK(share.left == Names{"admin.appu"});
  CHECK(share.replaced.empty());
  const auto in_place = share_of(documents, {"admin.appu", "admin.root"}, InPlace::yes);
  CHECK(in_place.written == Names{"shop.clerk"});
  CHECK(in_place.replaced == Names{"admin.appu"});
  CHECK(in_place.left.empty());
}

TEST_CASE("The verdict counts what was read back, and a FAIL names what differs") {
  RestoreMongoResult result;
  result.plan.moment = "noon";
  result.plan.collections.resize(1);
  result.plan.collections[0].count = 8555;
  result.collections = {read_back("a.x", 8443), read_back("b.y", 1)};
  CHECK(describe_verdict(result) == "PASS: 8444 documents of noon are on the server");
  result.problems = {"the index i of a.x was not built: the server says no"};
  CHECK(describe_verdict(result) ==
        "FAIL: the documents of all 2 collections are equal, but the index i of a.x was not "
        "built: the server says no");
  result.collections[1].target_count = 0;
  CHECK(describe_verdict(result) == "FAIL: 1 of 2 collections differ: b.y");
}
