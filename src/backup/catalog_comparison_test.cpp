#include "backup/catalog_comparison.hpp"

#include <doctest/doctest.h>

#include "doubles/oplog_story.hpp"

namespace holdfast::backup {
namespace {

class Entries final : public dataset::DocumentStream {
 public:
  explicit Entries(std::vector<Bytes> entries) : entries_(std::move(entries)) {}
  Result<std::optional<ByteView>> next() override {
    if (at_ == entries_.size()) return std::optional<ByteView>();
    return std::optional<ByteView>(entries_[at_++]);
  }

 private:
  std::vector<Bytes> entries_;
  std::size_t at_ = 0;
};

using Listing = std::vector<dataset::MongoCollection>;

dataset::MongoCollection listed(std::string name, char uuid) {
  dataset::MongoCollection collection;
  collection.db = "shop";
  collection.name = std::move(name);
  if (uuid != 0) collection.uuid = test::uuid_of(uuid);
  return collection;
}

CatalogComparison compare(const Listing& first, const Listing& second,
                          std::vector<Bytes> window = {}) {
  Entries entries(std::move(window));
  return compare_catalogs(first, second, entries).value();
}

}  // namespace

TEST_CASE("a catalog that did not change needs no explanation") {
  const Listing listing{listed("a", 'A'), listed("b", 'B'), listed("c", 0)};
  const auto comparison =
      compare(listing, listing, {test::insert(5, "shop.a", 'A', "{\"_id\":1}")});
  CHECK(comparison.contradictions.empty());
  CHECK(comparison.unexplained.empty());
  CHECK_FALSE(comparison.has_changes);
}

TEST_CASE("what the oplog tells is explained: made, renamed, dropped") {
  const auto comparison =
      compare({listed("a", 'A'), listed("b", 'B')}, {listed("a2", 'A'), listed("c", 'C')},
              {test::command(5, "shop", 'C', R"({"create":"c"})"),
               test::command(6, "shop", 'A', R"({"renameCollection":"shop.a","to":"shop.a2"})"),
               test::command(7, "shop", 'B', R"({"drop":"b"})")});
  CHECK(comparison.contradictions.empty());
  CHECK(comparison.unexplained.empty());
  CHECK(comparison.has_changes);
}

TEST_CASE("a collection of which the oplog does not tell is to be copied too") {
  const auto comparison = compare({listed("a", 'A')}, {listed("a", 'A'), listed("n", 'N')});
  REQUIRE(comparison.unexplained.size() == 1);
  CHECK(comparison.unexplained[0].name == "n");
  CHECK(comparison.contradictions.empty());
}

TEST_CASE("a collection that is gone or has another name without an entry is a contradiction") {
  CHECK(compare({listed("a", 'A')}, {}).contradictions ==
        std::vector<std::string>{"shop.a is gone and the oplog does not tell"});
  CHECK(compare({listed("a", 'A')}, {listed("b", 'A')}).contradictions ==
        std::vector<std::string>{"shop.b is called shop.a by the oplog"});
  CHECK(compare({listed("a", 'A')}, {listed("a", 'A')},
                {test::command(5, "shop", 'A', R"({"drop":"a"})")})
            .contradictions.size() == 1);
}

TEST_CASE("a transaction changes the catalog only if a command is in it") {
  const Listing listing{listed("a", 'A')};
  const auto with = [&](const std::string& operation) {
    return compare(listing, listing,
                   {test::piece({5}, 'S', 1, 0, R"({"applyOps":[)" + operation + "]}")})
        .has_changes;
  };
  CHECK_FALSE(with(test::inner("i", "shop.a", 'A', R"("o":{"_id":1})")));
  CHECK(with(test::inner("c", "shop.$cmd", 'N', R"("o":{"create":"n"})")));
}

TEST_CASE("two collections with one UUID can not be followed") {
  Entries none({});
  const Listing listing{listed("a", 'A'), listed("b", 'A')};
  CHECK(compare_catalogs(listing, listing, none).error().code == ErrorCode::corrupt);
}

}  // namespace holdfast::backup
