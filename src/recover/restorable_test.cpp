#include "recover/restorable.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

MomentCollection collection(std::string db, std::string name, std::string type = "collection",
                            std::string_view options = "{}") {
  MomentCollection made;
  made.facts.db = std::move(db);
  made.facts.name = std::move(name);
  made.facts.type = std::move(type);
  made.facts.options = bson::parse_ext_json(options).value();
  return made;
}

}  // namespace

TEST_CASE("What people keep is restored, what a server makes by itself is not") {
  CHECK(what_of(collection("shop", "orders")) == Restorable::documents);
  CHECK(what_of(collection("shop", "system.js")) == Restorable::documents);
  CHECK(what_of(collection("admin", "notes")) == Restorable::documents);
  for (const auto* db : {"local", "config", "holdfast_restore"})
    CHECK(what_of(collection(db, "anything")) == Restorable::nothing);
  CHECK(what_of(collection("shop", "system.profile")) == Restorable::nothing);
  CHECK(what_of(collection("shop", "system.indexes")) == Restorable::nothing);
  CHECK(what_of(collection("admin", "system.version")) == Restorable::nothing);
  auto temporary = collection("shop", "tmp.agg_out.1");
  temporary.is_temporary = true;
  CHECK(what_of(temporary) == Restorable::nothing);
}

TEST_CASE("Users and roles are those of the server, or of one database in a dump of it") {
  CHECK(what_of(collection("admin", "system.users")) == Restorable::users);
  CHECK(what_of(collection("admin", "system.roles")) == Restorable::roles);
  CHECK(what_of(collection("shop", "$admin.system.users")) == Restorable::users);
  CHECK(what_of(collection("shop", "system.users")) == Restorable::nothing);
}

TEST_CASE("A time series is made from its metadata, and its documents are the buckets") {
  CHECK(what_of(collection("shop", "weather", "timeseries")) == Restorable::time_series);
  CHECK(what_of(collection("shop", "system.buckets.weather")) == Restorable::documents);
  CHECK(time_series_of("system.buckets.weather") == "weather");
  CHECK(time_series_of("weather").empty());
  // system.views lists it too.
  CHECK(what_of(collection("shop", "weather", "view", R"({"viewOn":"system.buckets.weather"})")) ==
        Restorable::nothing);
  CHECK(what_of(collection("shop", "cheap", "view", R"({"viewOn":"orders","pipeline":[]})")) ==
        Restorable::view);
  CHECK(what_of(collection("shop", "system.views")) == Restorable::view_list);
}

TEST_CASE("A document of the list of views is a view of its database") {
  const auto view_from = [](std::string_view text) {
    return view_of("shop", bson::parse_ext_json(text).value());
  };
  const auto view = view_from(R"({"_id":"shop.cheap","viewOn":"orders","pipeline":[]})");
  REQUIRE(view.has_value());
  CHECK(view->facts.ns() == "shop.cheap");
  CHECK(what_of(*view) == Restorable::view);
  CHECK(bson::to_ext_json(bson::Document::trusted(view->facts.options)) ==
        R"({"viewOn":"orders","pipeline":[]})");
  CHECK_FALSE(view_from(R"({"_id":"shopping.cheap","viewOn":"orders"})").has_value());
  CHECK_FALSE(view_from(R"({"_id":7,"viewOn":"orders"})").has_value());
  CHECK_FALSE(view_from(R"({"_id":"shop.w","viewOn":"system.buckets.w"})").has_value());
}

TEST_CASE("Options for a create leave out what that command does not take") {
  const auto options =
      bson::parse_ext_json(R"({"uuid":1,"capped":true,"temp":true,"size":4096,"autoIndexId":true})")
          .value();
  const Bytes made = create_options(options);
  CHECK(bson::to_ext_json(bson::Document::trusted(made), bson::JsonForm::relaxed) ==
        R"({"capped":true,"size":4096})");
  const Bytes none = create_options({});
  CHECK(bson::Document::trusted(none).is_empty());
}
