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

}  // namespace holdfast::recover
