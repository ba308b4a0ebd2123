#include "oplog/replay_check.hpp"

#include <doctest/doctest.h>

#include "doubles/corpus.hpp"
#include "doubles/oplog_story.hpp"

namespace holdfast::oplog {
namespace {

using test::command;
using test::entry;
using test::inner;

std::string refusal_of(const Bytes& bytes, EntryRules rules = {}) {
  const auto checked = ReplayCheck(std::move(rules)).check(bytes);
  return checked.has_value() ? std::string() : checked.error().message;
}

TEST_CASE("every entry of the recorded histories can be replayed") {
  for (const std::string name : {"delta-1", "delta-txn", "modifiers-1"}) {
    CAPTURE(name);
    const test::UnpackedCorpus corpus(name);
    ReplayCheck check;
    for (const Bytes& each : test::load_documents(corpus.root() / "oplog.bson")) {
      const auto checked = check.check(each);
      REQUIRE_MESSAGE(checked.has_value(), checked.error().message);
    }
  }
}

TEST_CASE("commands and operations that are known can be replayed whatever they name") {
  CHECK(refusal_of(command(1, "shop", 'A', R"({"drop":"a"})")).empty());
  CHECK(refusal_of(command(1, "shop", 'A', R"({"collMod":"a","validator":{}})")).empty());
  CHECK(refusal_of(command(1, "shop", 0, R"({"dropDatabase":1})")).empty());
  CHECK(refusal_of(entry({1}, "d", "shop.a", 'A', R"("o":{"_id":1})")).empty());
  CHECK(refusal_of(entry({1}, "n", "", 0, R"("o":{"msg":"hello"})")).empty());
}

TEST_CASE("what no moment could be computed behind is refused, with its place and the reason") {
  const auto unknown = refusal_of(command(7, "shop", 'A', R"({"frobnicate":"a"})"));
  CHECK(unknown.find("oplog entry 7,") != std::string::npos);
  CHECK(unknown.find("unknown command 'frobnicate'") != std::string::npos);
  EntryRules harmless;
  harmless.assumed_noop_commands = {"frobnicate"};
  CHECK(refusal_of(command(7, "shop", 'A', R"({"frobnicate":"a"})"), harmless).empty());
  CHECK_FALSE(refusal_of(command(1, "shop", 'A', R"({"collMod":"a","shape":1})")).empty());
  CHECK_FALSE(refusal_of(command(1, "shop", 'A', R"({"renameCollection":"shop.a","to":"other.a"})"))
                  .empty());
  CHECK_FALSE(refusal_of(entry({1}, "u", "shop.a", 'A', R"("o":{"$v":3,"diff":{}},"o2":{"_id":1})"))
                  .empty());
  CHECK_FALSE(refusal_of(entry({1}, "i", "shop.a", 'A', R"("o":{"x":1})")).empty());
  CHECK_FALSE(refusal_of(entry({1}, "i", "shop.a", 'A', R"("o":{"_id":1},"newField":1)")).empty());
  const std::string list =
      R"({"applyOps":[)" + inner("c", "shop.$cmd", 'A', R"("o":{"frobnicate":"a"})") + "]}";
  CHECK_FALSE(refusal_of(command(1, "admin", 0, list)).empty());
}

}  // namespace
}  // namespace holdfast::oplog
