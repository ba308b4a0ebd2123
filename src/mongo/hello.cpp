#include "mongo/hello.hpp"

#include <algorithm>

namespace holdfast::mongo {

namespace {

bool is_true(bson::Document hello, std::string_view name) {
  const auto value = hello.find(name);
  return value && value->type == bson::Type::boolean && value->as_bool();
}

std::string text_in(bson::Document hello, std::string_view name) {
  const auto value = hello.find(name);
  if (!value || value->type != bson::Type::string) return {};
  return std::string(value->as_text());
}

bson::Timestamp optime_in(bson::Document last_write, std::string_view name) {
  const auto optime = last_write.find(name);
  if (!optime || optime->type != bson::Type::document) return {};
  const auto ts = optime->as_document().find("ts");
  if (!ts || ts->type != bson::Type::timestamp) return {};
  return ts->as_timestamp();
}

bson::Timestamp newest_of(const std::vector<MemberFacts>& members) {
  bson::Timestamp newest;
  for (const auto& member : members) {
    if (member.is_primary && member.last_write != bson::Timestamp{}) return member.last_write;
    newest = std::max(newest, member.last_write);
  }
  return newest;
}

}  // namespace

MemberFacts facts_of(bson::Document hello) {
  MemberFacts facts;
  facts.address = text_in(hello, "me");
  facts.set_name = text_in(hello, "setName");
  facts.is_primary = !facts.set_name.empty() &&
                     (is_true(hello, "isWritablePrimary") || is_true(hello, "ismaster"));
  facts.is_secondary = is_true(hello, "secondary");
  facts.is_arbiter = is_true(hello, "arbiterOnly");
  facts.is_router = text_in(hello, "msg") == "isdbgrid";
  if (const auto wire = hello.find("maxWireVersion"))
    facts.wire_version_max = static_cast<std::int32_t>(wire->as_integer().value_or(0));
  const auto last_write = hello.find("lastWrite");
  if (last_write && last_write->type == bson::Type::document) {
    facts.last_write = optime_in(last_write->as_document(), "opTime");
    facts.last_majority_write = optime_in(last_write->as_document(), "majorityOpTime");
  }
  return facts;
}

std::vector<MemberFacts> readable(const std::vector<MemberFacts>& members,
                                  std::chrono::seconds lag_max) {
  const bson::Timestamp newest = newest_of(members);
  const auto is_fresh = [&](const MemberFacts& member) {
    if (member.last_write == bson::Timestamp{}) return true;
    return member.last_write.seconds + static_cast<std::uint64_t>(lag_max.count()) >=
           newest.seconds;
  };
  std::vector<MemberFacts> fit;
  for (const auto& member : members)
    if (member.is_secondary && !member.is_arbiter && is_fresh(member)) fit.push_back(member);
  std::stable_sort(fit.begin(), fit.end(), [](const MemberFacts& left, const MemberFacts& right) {
    return left.last_write > right.last_write;
  });
  for (const auto& member : members)
    if (!member.is_arbiter && member.takes_writes()) fit.push_back(member);
  return fit;
}

}  // namespace holdfast::mongo
