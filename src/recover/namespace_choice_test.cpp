#include "recover/namespace_choice.hpp"

#include <doctest/doctest.h>

namespace holdfast::recover {

TEST_CASE("namespaces are chosen by database or collection and renamed the same way") {
  const auto choice =
      NamespaceChoice::make({"shop.users", "other", "third.*"},
                            {"shop.users=rescue.people", "shop=copy", "other=elsewhere"})
          .value();
  CHECK(choice.takes("shop.users"));
  CHECK_FALSE(choice.takes("shop.orders"));
  CHECK_FALSE(choice.takes("shop.users.archive"));
  CHECK(choice.takes("other.x.y"));
  CHECK(choice.takes("third.a"));
  CHECK(choice.name_of("shop.users") == NamespaceName{"rescue", "people"});
  CHECK(choice.name_of("shop.a.b") == NamespaceName{"copy", "a.b"});
  CHECK(choice.name_of("third.a") == NamespaceName{"third", "a"});
  CHECK(NamespaceChoice::make({}, {})->takes("anything.at.all"));
  for (const char* text : {"", ".", "a.", "a b", "../x"})
    CHECK_FALSE(NamespaceChoice::make({text}, {}).has_value());
  for (const char* text : {"a", "a=b.c", "a.b=c", "=b", "a=", "a.b=../x.c"})
    CHECK_FALSE(NamespaceChoice::make({}, {text}).has_value());
}

TEST_CASE("an argument that is about nothing that existed is named") {
  const std::vector<std::string> existed = {"shop.orders", "shop.users", "k.small"};
  const auto error_of = [&](const std::vector<std::string>& only,
                            const std::vector<std::string>& renames) {
    const auto known = NamespaceChoice::make(only, renames)->require_known(existed);
    return known.has_value() ? Error{} : known.error();
  };
  CHECK(NamespaceChoice::make({}, {})->require_known({}).has_value());
  CHECK(NamespaceChoice::make({"shop", "k.*", "shop.users"}, {"shop.orders=shop.o2", "k=k3"})
            ->require_known(existed)
            .has_value());
  CHECK(error_of({"shop.orders", "nope.x"}, {}).message.starts_with("--only nope.x: nope.x did"));
  CHECK(error_of({"nope"}, {}).code == ErrorCode::not_found);
  CHECK(error_of({}, {"k.gone=k.rescue"}).message.starts_with("--rename k.gone=k.rescue: k.gone"));
  CHECK(error_of({}, {"nope=other"}).code == ErrorCode::not_found);
  for (const char* wildcard : {"shop.o*", "sh*", "*", "*.users"}) {
    CHECK(error_of({wildcard}, {}).code == ErrorCode::usage);
    CHECK(error_of({wildcard}, {}).message.find("DB, DB.* or DB.COLLECTION") != std::string::npos);
  }
  CHECK(NamespaceChoice::make({"a.x*"}, {})->require_known({"a.x*"}).has_value());
}

TEST_CASE("one source has one new name, and two sources have not the same") {
  for (const auto& renames : std::vector<std::vector<std::string>>{{"a=b", "a=c"},
                                                                   {"a.x=b.x", "a.x=b.y"},
                                                                   {"a=c", "b=c"},
                                                                   {"a.x=c.z", "b.y=c.z"},
                                                                   {"a=b", "a.*=c"},
                                                                   {"a=b", "a=b"}}) {
    const auto refused = NamespaceChoice::make({}, renames);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::usage);
  }
  CHECK(NamespaceChoice::make({}, {"a=c", "a.x=c.y", "b=a"}).has_value());
}

TEST_CASE("what belongs to a server or to us is no name to restore to") {
  for (const std::string& to : std::vector<std::string>{"holdfast_restore.x",
                                                        "local.x",
                                                        "admin.x",
                                                        "config.x",
                                                        "b.system.users",
                                                        "b.system.views",
                                                        "b.x.system.y",
                                                        "b.o$x",
                                                        "b..x",
                                                        "b.x.",
                                                        "b.x..y",
                                                        ".x",
                                                        "b.",
                                                        "a b.x",
                                                        "a/b.x",
                                                        "a\\b.x",
                                                        "a\"b.x",
                                                        "b.x*",
                                                        std::string("b.x\0y", 5),
                                                        std::string(64, 'd') + ".x",
                                                        "b." + std::string(254, 'c')}) {
    CAPTURE(to);
    const auto refused = NamespaceChoice::make({}, {"shop.x=" + to});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::usage);
    CHECK(refused.error().message.find("--rename shop.x=") == 0);
  }
  for (const std::string& to : std::vector<std::string>{
           "holdfast_restore", "local", "admin", "config", "$b", "", "a b", std::string(64, 'd')}) {
    CAPTURE(to);
    CHECK_FALSE(NamespaceChoice::make({}, {"shop=" + to}).has_value());
  }
  for (const std::string& to : std::vector<std::string>{"b.systems", "b.my_system.x", "local2.x",
                                                        "b." + std::string(253, 'c')})
    CHECK(NamespaceChoice::make({}, {"shop.x=" + to}).has_value());
  CHECK(NamespaceChoice::make({}, {"admin=rescue", "shop.*=" + std::string(63, 'd')}).has_value());
}

}  // namespace holdfast::recover
