#include <doctest/doctest.h>

#include <map>

#include "bson/builder.hpp"
#include "dataset/mongo_manifest.hpp"
#include "dataset/mongo_segments.hpp"
#include "oplog/timeline.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

namespace {

enum class Kind : std::uint8_t { insert, noop };

Bytes entry(std::uint32_t seconds, std::int64_t term = 1, Kind kind = Kind::insert,
            std::size_t padding = 0) {
  bson::Builder builder;
  builder.append_text("op", kind == Kind::noop ? "n" : "i");
  builder.append_text("ns", std::string(padding, 'x'));
  builder.append_timestamp("ts", {seconds, 1});
  builder.append_int64("t", term);
  return builder.take();
}

// Stored segments with their bytes, as a repository would keep them.
struct Store {
  std::vector<StoredSegment> segments;
  std::map<std::string, Bytes> files;

  Result<IntakeReport> take(const std::vector<Bytes>& entries) {
    SegmentIntake intake(
        sort_segments(segments),
        [this](const StoredSegment& stored) -> Result<Bytes> {
          return files.at(segment_path(stored.facts));
        },
        [this](const oplog::SegmentFacts& facts, ByteView bytes) -> Result<void> {
          segments.push_back({facts, "snapshot"});
          files[segment_path(facts)] = to_bytes(bytes);
          return {};
        });
    for (const Bytes& each : entries) {
      TRY(intake.add(each));
    }
    TRY(intake.finish());
    return intake.report();
  }

  std::vector<oplog::Chain> chains() const {
    std::vector<oplog::SegmentFacts> facts;
    for (const StoredSegment& stored : sort_segments(segments)) facts.push_back(stored.facts);
    return oplog::Timeline::make(facts).value().chains();
  }
};

std::vector<Bytes> entries(std::uint32_t from, std::uint32_t to, std::int64_t term = 1) {
  std::vector<Bytes> all;
  for (std::uint32_t at = from; at <= to; ++at) all.push_back(entry(at, term));
  return all;
}

std::vector<Bytes> joined(std::vector<Bytes> left, const std::vector<Bytes>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

TEST_CASE("an oplog taken in twice is recorded once") {
  Store store;
  CHECK(store.take(entries(1, 50))->new_count == 50);
  const auto again = store.take(entries(1, 50)).value();
  CHECK(again.new_count == 0);
  CHECK(again.known_count == 50);
  CHECK(again.gaps.empty());
  CHECK(store.segments.size() == 1);
}

TEST_CASE("an oplog that overlaps goes on behind what is recorded") {
  Store store;
  REQUIRE(store.take(entries(1, 50)).has_value());
  const auto more = store.take(entries(40, 80)).value();
  CHECK(more.known_count == 11);
  CHECK(more.new_count == 30);
  REQUIRE(store.chains().size() == 1);
  CHECK(store.chains()[0].last().ts.seconds == 80);
}

TEST_CASE("an oplog that begins later leaves a gap, which a third one closes") {
  Store store;
  REQUIRE(store.take(entries(1, 10)).has_value());
  const auto later = store.take(entries(20, 30)).value();
  REQUIRE(later.gaps.size() == 1);
  CHECK(later.gaps[0] == "nothing is recorded between 10,1 and 20,1");
  CHECK(store.chains().size() == 2);
  const auto between = store.take(entries(5, 25)).value();
  CHECK(between.gaps.empty());
  CHECK(between.new_count == 9);
  REQUIRE(store.chains().size() == 1);
  CHECK(store.chains()[0].first().ts.seconds == 1);
  CHECK(store.chains()[0].last().ts.seconds == 30);
}

TEST_CASE("an older oplog that ends before what is recorded says that there is a gap") {
  Store store;
  REQUIRE(store.take(entries(20, 30)).has_value());
  const auto older = store.take(entries(1, 10)).value();
  REQUIRE(older.gaps.size() == 1);
  CHECK(older.gaps[0] == "nothing is recorded between 10,1 and 20,1");
  CHECK(store.chains().size() == 2);
}

TEST_CASE("large histories are cut into segments that name each other") {
  Store store;
  std::vector<Bytes> large;
  for (std::uint32_t at = 1; at <= 30; ++at)
    large.push_back(entry(at, 1, Kind::insert, std::size_t{1} << 20));
  CHECK(store.take(large)->new_segment_count == 5);
  REQUIRE(store.chains().size() == 1);
  CHECK(store.chains()[0].segments.size() == 5);
  for (const StoredSegment& stored : store.segments)
    CHECK(stored.facts.byte_count <= segment_bytes_max);
  CHECK(store.take(large)->known_count == 30);
}

TEST_CASE("a rolled-back branch is refused whichever of the two comes first") {
  const auto common = entries(1, 20);
  const auto lost = joined(common, entries(21, 30, 1));
  const auto kept = joined(common, joined({entry(22, 2, Kind::noop)}, entries(23, 40, 2)));
  for (const auto& [first, second] : {std::pair(lost, kept), std::pair(kept, lost)}) {
    Store store;
    REQUIRE(store.take(first).has_value());
    const auto refused = store.take(second);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::conflict);
    CHECK(refused.error().message.find("the last entry that both have is 20,1") !=
          std::string::npos);
  }
}

TEST_CASE("entries with the same time and other bytes are refused") {
  Store store;
  REQUIRE(store.take(entries(1, 20)).has_value());
  auto other = entries(15, 25);
  other[2] = entry(17, 1, Kind::insert, 3);
  const auto refused = store.take(other);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("contradict each other at 17,1") != std::string::npos);
}

TEST_CASE("no-ops may be missing on either side") {
  auto full = entries(1, 10);
  full[3] = entry(4, 1, Kind::noop);
  full[9] = entry(10, 1, Kind::noop);
  auto filtered = full;
  filtered.erase(filtered.begin() + 9);
  filtered.erase(filtered.begin() + 3);
  {
    Store store;
    REQUIRE(store.take(full).has_value());
    CHECK(store.take(joined(filtered, entries(11, 12)))->new_count == 2);
    CHECK(store.chains().size() == 1);
  }
  {
    Store store;
    REQUIRE(store.take(filtered).has_value());
    CHECK(store.take(joined(full, entries(11, 12)))->gaps.empty());
    CHECK(store.chains().size() == 1);
  }
}

TEST_CASE("entries that do not ascend are refused") {
  Store store;
  CHECK_FALSE(store.take({entry(2), entry(1)}).has_value());
  CHECK_FALSE(store.take({entry(1, 2), entry(2, 1)}).has_value());
}

TEST_CASE("a stored segment that lost bytes is noticed before it is compared") {
  Store store;
  REQUIRE(store.take(entries(1, 20)).has_value());
  store.files.begin()->second[10] ^= 1;
  const auto refused = store.take(entries(5, 25));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::corrupt);
}

TEST_CASE("an intake passes segments that overlap or lie inside others without a complaint") {
  Store store;
  // Two captures at the same time, and what a merged segment has left over.
  const auto record = [&](std::uint32_t from, std::uint32_t to, const oplog::SegmentFacts* before) {
    oplog::SegmentScan scan(before);
    Bytes bytes;
    for (const Bytes& each : entries(from, to)) {
      REQUIRE(scan.add(each).has_value());
      append(bytes, each);
    }
    const auto facts = scan.finish();
    store.segments.push_back({facts, "snapshot"});
    store.files[segment_path(facts)] = bytes;
    return facts;
  };
  const auto first = record(1, 10, nullptr);
  record(1, 4, nullptr);
  record(5, 7, nullptr);
  record(6, 15, nullptr);
  const auto last = record(11, 20, &first);
  REQUIRE(store.chains().size() == 1);
  const auto again = store.take(entries(1, 30));
  REQUIRE_MESSAGE(again.has_value(), describe(again.error()));
  CHECK(again->known_count == 20);
  CHECK(again->new_count == 10);
  CHECK(store.chains().size() == 1);
  CHECK(store.chains()[0].last().ts == oplog::Timestamp{30, 1});
  CHECK(store.segments.back().facts.previous == last.last);

  auto other = entries(1, 12);
  other.push_back(entry(13, 1, Kind::insert, 5));
  CHECK_FALSE(store.take(other).has_value());
}

TEST_CASE("a segment list goes through its JSON unchanged") {
  Store store;
  REQUIRE(store.take(entries(1, 20)).has_value());
  REQUIRE(store.take(entries(10, 30)).has_value());
  std::vector<oplog::SegmentFacts> facts;
  for (const StoredSegment& stored : store.segments) facts.push_back(stored.facts);
  CHECK(decode_segments(encode_segments("shop", facts)).value() == facts);
  CHECK_FALSE(decode_segments("{}").has_value());
  CHECK_FALSE(decode_segments(R"({"format":2,"segments":[]})").has_value());
  CHECK_FALSE(decode_segments(R"({"format":1,"segments":[1]})").has_value());
  CHECK_FALSE(decode_segments(R"({"format":1,"segments":[{}]})").has_value());
}

TEST_CASE("a manifest goes through its JSON unchanged and knows what its base covers") {
  MongoManifest manifest{.dataset = "shop", .server_version = "4.9.0", .tool_version = "\"x\""};
  manifest.window = oplog::BaseWindow{oplog::BaseKind::fuzzy, {1, 2}, {3, 4}};
  StoredCollection stored;
  stored.facts.db = "shop";
  stored.facts.name = "weird \xC3\xBC";
  stored.facts.uuid = oplog::Uuid::parse("5586c99daef1437294ce94af96c56644").value();
  bson::Builder options;
  options.append_int64("size", 5);
  stored.facts.options = options.take();
  stored.order = StoredOrder::natural;
  stored.count = 7;
  manifest.collections.push_back(stored);
  const std::string text = encode_manifest(manifest);
  const auto back = decode_manifest(text).value();
  CHECK(encode_manifest(back) == text);
  CHECK(back.collections[0].facts.options == stored.facts.options);
  const Coverage coverage(back);
  CHECK(coverage.covers("shop.other"));
  CHECK(coverage.covers("else.where"));
  CHECK_FALSE(coverage.covers("shop.system.views"));
  CHECK_FALSE(coverage.covers("config.transactions"));
  CHECK_FALSE(coverage.covers("admin.system.users"));
  manifest.scope = DumpScope::databases;
  CHECK_FALSE(Coverage(manifest).covers("else.where"));
  CHECK_FALSE(decode_manifest("{\"format\":1}").has_value());
  CHECK_FALSE(decode_manifest("{\"format\":9}").has_value());
}

TEST_CASE("names of datasets are safe in tags and paths") {
  CHECK(check_dataset_name("shop-1_a.b").has_value());
  for (const char* name : {"", ".", "..", "a,b", "a/b", "a b", "a=b"})
    CHECK_FALSE(check_dataset_name(name).has_value());
}
