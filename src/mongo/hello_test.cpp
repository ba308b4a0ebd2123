#include "mongo/hello.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"
#include "mongo/driver.hpp"

namespace holdfast::mongo {
namespace {

MemberFacts facts(std::string_view json) {
  const Bytes hello = bson::parse_ext_json(json).value();
  return facts_of(bson::Document::trusted(hello));
}

MemberFacts secondary(std::uint32_t number, std::uint32_t seconds) {
  MemberFacts member;
  member.number = number;
  member.set_name = "rs0";
  member.is_secondary = true;
  member.last_write = {seconds, 1};
  return member;
}

MemberFacts primary(std::uint32_t number, std::uint32_t seconds) {
  MemberFacts member = secondary(number, seconds);
  member.is_secondary = false;
  member.is_primary = true;
  return member;
}

std::vector<std::uint32_t> numbers(const std::vector<MemberFacts>& members) {
  std::vector<std::uint32_t> out;
  for (const auto& member : readable(members, std::chrono::seconds(90)))
    out.push_back(member.number);
  return out;
}

}  // namespace

TEST_CASE("a primary tells its set, its address and its newest entries") {
  const auto member = facts(
      R"({"isWritablePrimary":true,"secondary":false,"setName":"rs0","me":"h:1",
          "maxWireVersion":17,"lastWrite":{"opTime":{"ts":{"$timestamp":{"t":9,"i":2}},
          "t":{"$numberLong":"3"}},"majorityOpTime":{"ts":{"$timestamp":{"t":8,"i":1}}}}})");
  CHECK(member.is_primary);
  CHECK_FALSE(member.is_secondary);
  CHECK(member.set_name == "rs0");
  CHECK(member.address == "h:1");
  CHECK(member.wire_version_max == 17);
  CHECK(member.last_write == bson::Timestamp{9, 2});
  CHECK(member.last_majority_write == bson::Timestamp{8, 1});
  CHECK(member.takes_writes());
}

TEST_CASE("the old handshake is understood, and what is of another type is absent") {
  CHECK(facts(R"({"ismaster":true,"setName":"rs0"})").is_primary);
  CHECK(facts(R"({"ismaster":false,"secondary":true,"setName":"rs0"})").is_secondary);
  CHECK(facts(R"({"ismaster":true,"msg":"isdbgrid"})").is_router);
  const auto odd = facts(R"({"ismaster":"yes","setName":5,"maxWireVersion":"x","lastWrite":7})");
  CHECK_FALSE(odd.is_primary);
  CHECK(odd.set_name.empty());
  CHECK(odd.wire_version_max == 0);
  CHECK(facts(R"({"lastWrite":{"opTime":5}})").last_write == bson::Timestamp{});
}

TEST_CASE("a lone server takes writes, and is no primary") {
  const auto lone = facts(R"({"ismaster":true,"maxWireVersion":21})");
  CHECK_FALSE(lone.is_primary);
  CHECK(lone.takes_writes());
  CHECK(numbers({lone}) == std::vector<std::uint32_t>{0});
}

TEST_CASE("the freshest secondary is read from first, the primary last") {
  CHECK(numbers({primary(1, 1000), secondary(2, 990), secondary(3, 999)}) ==
        std::vector<std::uint32_t>{3, 2, 1});
}

TEST_CASE("neither an arbiter nor a member that lags is read from") {
  auto arbiter = secondary(4, 1000);
  arbiter.is_arbiter = true;
  CHECK(numbers({primary(1, 1000), secondary(2, 909), secondary(3, 910), arbiter}) ==
        std::vector<std::uint32_t>{3, 1});
  CHECK(numbers({secondary(2, 909), secondary(3, 1000)}) == std::vector<std::uint32_t>{3});
  CHECK(numbers({arbiter}).empty());
}

TEST_CASE("a secondary that does not tell its newest entry is read from") {
  CHECK(numbers({primary(1, 1000), secondary(2, 0)}).size() == 1);
  auto silent = secondary(3, 0);
  silent.last_write = {};
  CHECK(numbers({primary(1, 1000), silent}) == std::vector<std::uint32_t>{3, 1});
}

TEST_CASE("a refusal is an answer with the server's number and words") {
  const Bytes bytes =
      bson::parse_ext_json(R"({"ok":0,"code":26,"errmsg":"ns not found","codeName":"X"})").value();
  const auto reply = reply_of(bytes).value();
  CHECK_FALSE(reply.is_ok);
  CHECK(reply.code == ServerCode::namespace_not_found);
  CHECK(error_of(reply, "dropping a.b").message ==
        "dropping a.b: the server says ns not found (error 26)");
  CHECK(error_of(reply, "x").code == ErrorCode::server_failed);
}

TEST_CASE("numbers of the server become our errors") {
  Reply reply;
  reply.is_ok = false;
  const auto code_of = [&](int number) {
    reply.code = ServerCode{number};
    return error_of(reply, "x").code;
  };
  CHECK(code_of(13) == ErrorCode::denied);
  CHECK(code_of(18) == ErrorCode::denied);
  CHECK(code_of(10107) == ErrorCode::server_unreachable);
  CHECK(code_of(13436) == ErrorCode::server_unreachable);
  CHECK(code_of(43) == ErrorCode::server_unreachable);
  CHECK(is_state_change(ServerCode{11600}));
  CHECK_FALSE(is_state_change(ServerCode::duplicate_key));
}

TEST_CASE("any kind of 1 is success, and an answer that is cut off is malformed") {
  for (const auto* text : {R"({"ok":1})", R"({"ok":1.0})", R"({"ok":true})"})
    CHECK(reply_of(bson::parse_ext_json(text).value()).value().is_ok);
  for (const auto* text : {R"({"ok":0.0})", R"({"ok":false})", R"({})"})
    CHECK_FALSE(reply_of(bson::parse_ext_json(text).value()).value().is_ok);
  const Bytes whole = bson::parse_ext_json(R"({"ok":1})").value();
  CHECK(reply_of(ByteView(whole).first(whole.size() - 1)).error().code == ErrorCode::malformed);
}

}  // namespace holdfast::mongo
