#include "recover/renamed_view.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

namespace holdfast::recover {

namespace {

RenamedView renamed(std::string_view json, const std::vector<std::string>& only,
                    const std::vector<std::string>& renames) {
  const Bytes options = bson::parse_ext_json(json).value();
  const auto choice = NamespaceChoice::make(only, renames).value();
  return rename_view({"shop", "v"}, options, choice);
}

std::string json_of(const RenamedView& view) {
  return bson::to_ext_json(bson::Document::trusted(view.options), bson::JsonForm::relaxed);
}

constexpr std::string_view plain = R"({"viewOn":"orders","pipeline":[{"$match":{"n":1}}]})";

}  // namespace

TEST_CASE("a view follows its collection to a new name in the same database") {
  const auto view = renamed(plain, {}, {"shop.orders=shop.o2"});
  CHECK(json_of(view) == R"({"viewOn":"o2","pipeline":[{"$match":{"n":1}}]})");
  CHECK(view.notes.empty());
  const auto both = renamed(plain, {}, {"shop.orders=b.o2", "shop.v=b.w"});
  CHECK(json_of(both) == R"({"viewOn":"o2","pipeline":[{"$match":{"n":1}}]})");
  CHECK(both.notes.empty());
  for (const auto& renames : std::vector<std::vector<std::string>>{{}, {"shop=copy"}}) {
    const auto same = renamed(plain, {}, renames);
    CHECK(json_of(same) == plain);
    CHECK(same.notes.empty());
  }
}

TEST_CASE("a view that can not follow is told of and stays as it was") {
  const auto away = renamed(plain, {}, {"shop.orders=b.o2"});
  CHECK(json_of(away) == plain);
  REQUIRE(away.notes.size() == 1);
  CHECK(away.notes[0].starts_with("the view shop.v is on shop.orders, which is called b.o2 now"));
  const auto alone = renamed(plain, {"shop.v"}, {});
  CHECK(json_of(alone) == plain);
  CHECK(alone.notes ==
        std::vector<std::string>{"the view shop.v is on shop.orders, which is not restored"});
}

TEST_CASE("stages that read renamed collections are told of") {
  constexpr std::string_view joined =
      R"({"viewOn":"orders","pipeline":[{"$lookup":{"from":"users","as":"u","pipeline":)"
      R"([{"$unionWith":{"coll":"old","pipeline":[]}}]}},{"$unionWith":"more"}]})";
  CHECK(renamed(joined, {}, {}).notes.empty());
  const auto view = renamed(joined, {}, {"shop.users=shop.people", "shop.more=x.more"});
  CHECK(json_of(view) == joined);
  CHECK(view.notes ==
        std::vector<std::string>{
            "the pipeline of the view shop.v still reads more, which is called x.more now",
            "the pipeline of the view shop.v still reads users, which is called shop.people now"});
  CHECK(renamed(joined, {"shop.v", "shop.orders", "shop.more", "shop.users"}, {}).notes ==
        std::vector<std::string>{
            "the pipeline of the view shop.v reads shop.old, which is not restored"});
  CHECK(rename_view({"a", "b"}, {}, NamespaceChoice()).notes.empty());
}

}  // namespace holdfast::recover
