#include "recover/undo_point.hpp"

#include <doctest/doctest.h>

#include "bson/builder.hpp"
#include "bson/ext_json.hpp"
#include "doubles/memory_repository.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

Bytes json(std::string_view text) {
  return bson::parse_ext_json(text).value();
}

Bytes numbered(std::int64_t number, std::size_t padding) {
  bson::Builder out;
  out.append_int64("_id", number);
  out.append_text("text", std::string(padding, 'x'));
  return out.take();
}

struct UndoPoints {
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  repo::Writer writer = repo::Writer::make(repository).value();
  catalog::DatasetLabel label{"shop", {}, {}, memory.clock.now()};

  UndoPoint open(const repo::SnapshotId& id) {
    REQUIRE(repository.load_index().has_value());
    return UndoPoint::open(repository, {id, repository.load_snapshot(id).value().snapshot}).value();
  }
};

}  // namespace

TEST_CASE("What an undo point says about itself survives being written") {
  const UndoFacts facts{
      "shop", "12,1 \"quoted\"", {{{"shop", "odd/name é"}, 3, 0}, {{"other", "x.y"}, 0, 7}}};
  const UndoFacts read = decode_undo(encode_undo(facts)).value();
  CHECK(read.dataset == "shop");
  CHECK(read.moment == facts.moment);
  REQUIRE(read.collections.size() == 2);
  CHECK(read.collections[0].name == facts.collections[0].name);
  CHECK(read.collections[0].inserted == 3);
  CHECK(read.collections[1].replaced == 7);
}

TEST_CASE("Broken and later descriptions are refused") {
  for (const auto* text : {"", "{}", "[]", R"({"format":1,"dataset":"a","moment":"m"})",
                           R"({"format":1,"dataset":"a","moment":"m","collections":[1]})",
                           R"({"format":1,"dataset":"a","moment":"m","collections":[{"db":"a"}]})"})
    CHECK_FALSE(decode_undo(text).has_value());
  const auto later = decode_undo(R"({"format":2,"dataset":"a","moment":"m","collections":[]})");
  REQUIRE_FALSE(later.has_value());
  CHECK(later.error().code == ErrorCode::unsupported);
}

TEST_CASE("An undo point gives back what was inserted and what was replaced, in order") {
  UndoPoints undo;
  UndoPointWriter made(undo.repository, undo.writer, undo.label, "then");
  const NamespaceName goods{"shop", "goods"};
  const NamespaceName people{"shop", "people/é"};
  REQUIRE(made.begin(goods).has_value());
  // More than one blob.
  constexpr std::int64_t count = 3000;
  for (std::int64_t number = 0; number < count; ++number)
    REQUIRE(made.add_inserted(numbered(number, 1000)).has_value());
  REQUIRE(made.begin(people).has_value());
  for (std::int64_t number = 0; number < count; ++number)
    REQUIRE(made.add_replaced(numbered(number, 1000), numbered(number, 5)).has_value());
  UndoPoint point = undo.open(made.publish().value());

  REQUIRE(point.facts().collections.size() == 2);
  CHECK(point.facts().dataset == "shop");
  bson::Sha256 sha;
  std::int64_t next = 0;
  const auto inserted = [&](const UndoEntry& entry) -> Result<void> {
    CHECK(bson::Document::trusted(entry.id_document).find("_id")->as_int64() == next);
    CHECK(entry.sha == sha.of(numbered(next, 1000)));
    ++next;
    return {};
  };
  REQUIRE(point.for_each_inserted(point.facts().collections[0], inserted).has_value());
  CHECK(next == count);
  next = 0;
  const auto replaced = [&](const UndoEntry& entry, ByteView before) -> Result<void> {
    CHECK(to_bytes(before) == numbered(next, 1000));
    CHECK(entry.sha == sha.of(numbered(next, 5)));
    ++next;
    return {};
  };
  REQUIRE(point.for_each_replaced(point.facts().collections[1], replaced).has_value());
  CHECK(next == count);
  // Of each collection only one kind was there.
  REQUIRE(point.for_each_inserted(point.facts().collections[1], inserted).has_value());
  REQUIRE(point.for_each_replaced(point.facts().collections[0], replaced).has_value());
  CHECK(next == count);
}

TEST_CASE("An undo point is no point to restore: latest never means it") {
  UndoPoints undo;
  UndoPointWriter made(undo.repository, undo.writer, undo.label, "then");
  REQUIRE(made.begin({"shop", "goods"}).has_value());
  REQUIRE(made.add_inserted(json(R"({"_id":1})")).has_value());
  const auto id = made.publish().value();
  const auto stored = undo.repository.load_snapshot(id).value();
  CHECK(repo::is_companion(stored.snapshot));
  CHECK(stored.snapshot.paths == std::vector<std::string>{"/mongodb/shop/undo"});
  CHECK_FALSE(undo.repository.find_snapshot("latest").has_value());
  REQUIRE(undo.repository.find_snapshot(id.short_hex()).has_value());
}

TEST_CASE("Another snapshot is no undo point") {
  UndoPoints undo;
  catalog::DatasetSnapshot other(undo.repository, undo.writer, undo.label, dataset::segments_tag);
  REQUIRE(other.add_text("a", as_bytes("b")).has_value());
  const auto id = other.publish().value();
  const auto opened = UndoPoint::open(undo.repository, undo.repository.load_snapshot(id).value());
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == ErrorCode::usage);
}
