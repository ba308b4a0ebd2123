// Recorded histories of a real server: from the fuzzy base, one synthetic full after the other has
// what the server showed at each moment.
#include <doctest/doctest.h>

#include <algorithm>

#include "doubles/synthetic_world.hpp"
#include "oplog/segment.hpp"

namespace holdfast::backup {
namespace {

using test::SyntheticWorld;

const dataset::StoredCollection* find(const dataset::MongoManifest& manifest,
                                      const std::string& ns) {
  for (const auto& stored : manifest.collections) {
    if (stored.facts.ns() == ns) return &stored;
  }
  return nullptr;
}

void check_collection(const dataset::StoredCollection& got,
                      const dataset::StoredCollection& wanted) {
  INFO(wanted.facts.ns());
  CHECK(dataset::metadata_json(got.facts) == dataset::metadata_json(wanted.facts));
  CHECK(got.facts.has_documents == wanted.facts.has_documents);
  CHECK(got.order == wanted.order);
  // This server trims capped collections without entries.
  if (wanted.order == dataset::StoredOrder::natural) return;
  CHECK(got.count == wanted.count);
  CHECK(got.chunk_count == wanted.chunk_count);
  CHECK(got.digest == wanted.digest);
}

void check_corpus(const std::string& name) {
  const test::UnpackedCorpus corpus(name);
  const auto entries = test::load_documents(corpus.root() / "oplog.bson");
  SyntheticWorld world;
  world.import_dump(corpus.root() / "base", std::nullopt);
  for (int number = 0; std::filesystem::exists(corpus.root() / "expected" / std::to_string(number));
       ++number) {
    CAPTURE(number);
    const auto directory = corpus.root() / "expected" / std::to_string(number);
    const auto json = test::load_json(directory / "manifest.json");
    const auto at = test::timestamp_in(bson::Document::trusted(json), "last");
    const auto end = std::find_if(entries.begin(), entries.end(), [&](const Bytes& entry) {
      return oplog::optime_of(entry)->ts > at;
    });
    world.record({entries.begin(), end});
    const auto result = world.synthetic();
    REQUIRE(result.snapshot);
    CHECK(result.at == at);

    SyntheticWorld real;
    const auto real_id = real.import_dump(directory, std::nullopt);
    auto left = world.memory.open_indexed();
    auto right = real.memory.open_indexed();
    const auto got = catalog::StoredBase::open(left, *left.load_snapshot(*result.snapshot)).value();
    const auto wanted = catalog::StoredBase::open(right, *right.load_snapshot(real_id)).value();
    REQUIRE(got->manifest().collections.size() == wanted->manifest().collections.size());
    for (const auto& collection : wanted->manifest().collections) {
      const auto* const stored = find(got->manifest(), collection.facts.ns());
      REQUIRE_MESSAGE(stored != nullptr, collection.facts.ns());
      check_collection(*stored, collection);
    }
  }
}

TEST_CASE("synthetic fulls of a recorded history with deltas have what the server showed") {
  check_corpus("delta-1");
}

TEST_CASE("synthetic fulls of a recorded history with large transactions have what it showed") {
  check_corpus("delta-txn");
}

}  // namespace
}  // namespace holdfast::backup
