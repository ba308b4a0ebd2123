#include "contract/store_contract.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <set>

#include "base/task_group.hpp"

namespace holdfast::test {
namespace {

using store::Condition;
using store::Durability;
using store::ObjectInfo;
using store::Store;

constexpr auto now = Durability::immediate;

std::string text_of(Store& store, std::string_view name) {
  const auto bytes = store.get(name);
  return bytes.has_value() ? std::string(as_text(*bytes))
                           : std::string(name_of(bytes.error().code));
}

std::set<std::string> names_below(Store& store, std::string_view prefix) {
  std::set<std::string> names;
  const auto listed = store.list(prefix, [&](const ObjectInfo& object) -> Result<void> {
    CHECK_MESSAGE(names.insert(object.name).second, "listed twice: ", object.name);
    return {};
  });
  CHECK(listed.has_value());
  return names;
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE(!result.has_value());
  return result.error().code;
}

void check_reading(Store& store) {
  REQUIRE(store.put("data/ab/abcd", as_bytes("hello, world"), now).has_value());
  CHECK(text_of(store, "data/ab/abcd") == "hello, world");
  CHECK(as_text(store.get_range("data/ab/abcd", 7, 5).value()) == "world");
  CHECK(store.get_range("data/ab/abcd", 12, 0).value().empty());
  CHECK(code_of(store.get_range("data/ab/abcd", 7, 6)) == ErrorCode::corrupt);
  CHECK(code_of(store.get_range("data/ab/abcd", 13, 0)) == ErrorCode::corrupt);
  CHECK(code_of(store.get_range("data/ab/abcd", ~std::uint64_t{0}, 2)) == ErrorCode::corrupt);
  const auto found = store.stat("data/ab/abcd");
  REQUIRE(found.has_value());
  CHECK(found->name == "data/ab/abcd");
  CHECK(found->bytes == 12);
  CHECK(!found->version.empty());
}

void check_missing(Store& store) {
  CHECK(code_of(store.get("keys/none")) == ErrorCode::not_found);
  CHECK(code_of(store.get_range("keys/none", 0, 1)) == ErrorCode::not_found);
  CHECK(code_of(store.stat("keys/none")) == ErrorCode::not_found);
  CHECK(store.remove("keys/none").has_value());
  CHECK(names_below(store, "keys/").empty());
  CHECK(names_below(store, "").empty());
  REQUIRE(store.put("keys/one", as_bytes("1"), now).has_value());
  CHECK_MESSAGE(code_of(store.get("keys")) == ErrorCode::not_found, "a directory is no object");
  CHECK(code_of(store.stat("keys")) == ErrorCode::not_found);
}

void check_names(Store& store) {
  for (const std::string_view name : {"", "/", "/etc/passwd", "../outside", "a/../b", "a//b", "a/",
                                      ".", "..", "a/.", "A", "a b", "a\\b", "a/b/c/d/e/f/g/h/i"}) {
    CAPTURE(name);
    CHECK(code_of(store.put(name, as_bytes("x"), now)) == ErrorCode::refused);
    CHECK(code_of(store.get(name)) == ErrorCode::refused);
    CHECK(code_of(store.remove(name)) == ErrorCode::refused);
    CHECK(code_of(store.stat(name)) == ErrorCode::refused);
  }
  const Store::Visitor ignore = [](const ObjectInfo&) -> Result<void> { return {}; };
  CHECK(code_of(store.list("../", ignore)) == ErrorCode::refused);
  CHECK(code_of(store.put(std::string(600, 'a'), as_bytes("x"), now)) == ErrorCode::refused);
  CHECK(code_of(store.put("a-tmp-1", as_bytes("x"), now)) == ErrorCode::refused);
  CHECK(store.put("a.b/c_d/e-f", as_bytes("x"), now).has_value());
}

void check_replacing(Store& store) {
  REQUIRE(store.put("config", as_bytes("first"), now).has_value());
  const auto first = store.stat("config");
  REQUIRE(store.put("config", as_bytes("other"), now).has_value());
  CHECK(text_of(store, "config") == "other");
  CHECK(store.stat("config")->version != first->version);
  CHECK_MESSAGE(store.put("config", as_bytes("other"), now).has_value(), "may be repeated");
  REQUIRE(store.put("empty", {}, now).has_value());
  CHECK(text_of(store, "empty").empty());
  CHECK(store.stat("empty")->bytes == 0);
}

void check_if_absent(Store& store) {
  REQUIRE(store.put("lease", as_bytes("a"), now, Condition::if_absent()).has_value());
  CHECK(code_of(store.put("lease", as_bytes("b"), now, Condition::if_absent())) ==
        ErrorCode::exists);
  CHECK(text_of(store, "lease") == "a");
  REQUIRE(store.remove("lease").has_value());
  CHECK(store.put("lease", as_bytes("c"), Durability::at_sync, Condition::if_absent()).has_value());
  CHECK_MESSAGE(text_of(store, "lease") == "c", "a condition is carried out at once");
}

void check_if_version(Store& store) {
  CHECK(code_of(store.put("lease", as_bytes("a"), now, Condition::if_version("1"))) ==
        ErrorCode::conflict);
  REQUIRE(store.put("lease", as_bytes("0"), now).has_value());
  std::set<std::string> versions{store.stat("lease")->version};
  for (int round = 1; round <= 20; ++round) {  // same size, same instant: still new versions
    const std::string version = store.stat("lease")->version;
    const std::string text = std::to_string(round % 10);
    REQUIRE(store.put("lease", as_bytes(text), now, Condition::if_version(version)).has_value());
    CHECK(versions.insert(store.stat("lease")->version).second);
    CHECK(code_of(store.put("lease", as_bytes("x"), now, Condition::if_version(version))) ==
          ErrorCode::conflict);
    CHECK(text_of(store, "lease") == text);
  }
}

void check_one_winner(Store& store) {
  std::atomic<int> absent_winners{0};
  std::atomic<int> increments{0};
  REQUIRE(store.put("counter", as_bytes("0"), now).has_value());
  TaskGroup tasks;
  for (int worker = 0; worker < 4; ++worker) {
    tasks.start([&store, &absent_winners, &increments, worker](std::stop_token) -> Result<void> {
      // The bytes say who wrote them, as those of a lease must.
      if (store.put("once", as_bytes(std::to_string(worker)), now, Condition::if_absent())
              .has_value())
        ++absent_winners;
      for (int i = 0; i < 20; ++i) {
        const auto seen = TRY(store.stat("counter"));
        const auto bytes = TRY(store.get("counter"));
        const int count = std::stoi(std::string(as_text(bytes)));
        const std::string next = fmt::format("{} by {}.{}", count + 1, worker, i);
        if (store.put("counter", as_bytes(next), now, Condition::if_version(seen.version))
                .has_value())
          ++increments;
      }
      return {};
    });
  }
  REQUIRE(tasks.wait().has_value());
  CHECK(absent_winners == 1);
  CHECK(std::stoi(text_of(store, "counter")) == increments.load());
}

void check_listing(Store& store) {
  for (const std::string_view name :
       {"data/00/0011", "data/01/0123", "data/01/0199", "index/77", "config", "data-other"})
    REQUIRE(store.put(name, as_bytes(name), now).has_value());
  CHECK(names_below(store, "data/") ==
        std::set<std::string>{"data/00/0011", "data/01/0123", "data/01/0199"});
  CHECK(names_below(store, "data/01/") == std::set<std::string>{"data/01/0123", "data/01/0199"});
  CHECK(names_below(store, "data/01/01").size() == 2);
  CHECK(names_below(store, "data/01/012").size() == 1);
  CHECK(names_below(store, "").size() == 6);
  CHECK(names_below(store, "co") == std::set<std::string>{"config"});
  int visits = 0;
  const auto stopped = store.list("data/", [&](const ObjectInfo& object) -> Result<void> {
    ++visits;
    CHECK(object.bytes == object.name.size());
    return fail(ErrorCode::interrupted, "enough");
  });
  CHECK(code_of(stopped) == ErrorCode::interrupted);
  CHECK(visits == 1);
  const auto emptied = store.list("", [&](const ObjectInfo& object) {
    return store.remove(object.name);  // the visitor may use the store
  });
  CHECK(emptied.has_value());
  CHECK(names_below(store, "").empty());
}

void check_barrier(Store& store) {
  for (int i = 0; i < 150; ++i) {
    const std::string text = fmt::format("object {}", i);
    REQUIRE(
        store.put(fmt::format("data/{:02x}/{:04x}", i % 7, i), as_bytes(text), Durability::at_sync)
            .has_value());
  }
  REQUIRE(store.put("data/00/0000", as_bytes("newer"), Durability::at_sync).has_value());
  REQUIRE(store.put("data/01/0001", as_bytes("newest"), now).has_value());
  REQUIRE(store.remove("data/02/0002").has_value());
  REQUIRE(store.sync().has_value());
  CHECK(names_below(store, "data/").size() == 149);
  CHECK(text_of(store, "data/00/0000") == "newer");
  CHECK_MESSAGE(text_of(store, "data/01/0001") == "newest", "the later put wins");
  CHECK(text_of(store, "data/02/0002") == "not_found");
  CHECK(text_of(store, "data/02/0095") == "object 149");
  CHECK_MESSAGE(store.sync().has_value(), "an empty barrier succeeds");
}

void check_parallel_use(Store& store) {
  TaskGroup tasks;
  for (int worker = 0; worker < 4; ++worker) {
    tasks.start([&store, worker](std::stop_token) -> Result<void> {
      for (int i = 0; i < 25; ++i) {
        const auto name = fmt::format("data/{:02x}/{:x}-{:x}", i % 3, worker, i);
        TRY(store.put(name, as_bytes(name), Durability::at_sync));
        if (i % 8 == worker) TRY(store.sync());
      }
      return store.sync();
    });
  }
  CHECK(tasks.wait().has_value());
  const auto names = names_below(store, "data/");
  CHECK(names.size() == 100);
  for (const auto& name : names) CHECK(text_of(store, name) == name);
}

}  // namespace

void check_store_contract(const StoreMaker& make) {
  const auto store = make();
  REQUIRE(store);
  SUBCASE("what was put is read, whole and in ranges") {
    check_reading(*store);
  }
  SUBCASE("what is not there is not found, and removing it succeeds") {
    check_missing(*store);
  }
  SUBCASE("names that lead elsewhere are refused") {
    check_names(*store);
  }
  SUBCASE("a put replaces, and may be repeated") {
    check_replacing(*store);
  }
  SUBCASE("if_absent lets the first one through") {
    check_if_absent(*store);
  }
  SUBCASE("if_version lets one through for each version") {
    check_if_version(*store);
  }
  SUBCASE("of several at once exactly one wins") {
    check_one_winner(*store);
  }
  SUBCASE("list shows exactly what is below a prefix") {
    check_listing(*store);
  }
  SUBCASE("after the barrier everything is there, the latest put of each name") {
    check_barrier(*store);
  }
  SUBCASE("many threads may use it") {
    check_parallel_use(*store);
  }
}

}  // namespace holdfast::test
