#include "repo/snapshot.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace holdfast::repo;

namespace {

const std::string zeros(64, '0');
const std::string ones(64, '1');

std::string text_of(const Snapshot& snapshot) {
  return std::string(as_text(encode_snapshot(snapshot)));
}

Snapshot decoded(const std::string& json) {
  auto snapshot = decode_snapshot(as_bytes(json));
  if (!snapshot.has_value()) FAIL(describe(snapshot.error()));
  return std::move(snapshot).value();
}

// A snapshot with further members.
std::string with(const std::string& members) {
  return R"({"time":"2017-07-14T02:40:00Z","tree":")" + zeros + R"(","paths":["/a"])" +
         (members.empty() ? "" : ",") + members + "}";
}

}  // namespace

TEST_CASE("a minimal snapshot has time, tree and paths") {
  Snapshot snapshot;
  snapshot.time = {1500000000, 0, 0};
  snapshot.paths = {"/a"};
  CHECK(text_of(snapshot) == with(""));
  CHECK(decoded(with("")) == snapshot);
}

TEST_CASE("all members stand in restic's order") {
  Snapshot snapshot;
  snapshot.time = {1500000000, 5, 7200};
  snapshot.parent = SnapshotId::parse(ones).value();
  snapshot.paths = {"/a&b", "/c"};
  snapshot.hostname = "vm";
  snapshot.username = "root";
  snapshot.uid = 1;
  snapshot.gid = 2;
  snapshot.excludes = {"*.o"};
  snapshot.tags = {"x"};
  snapshot.original = SnapshotId::parse(zeros).value();
  snapshot.program_version = "holdfast 0.1.0";
  auto& summary = snapshot.summary.emplace();
  summary.backup_start = summary.backup_end = {1500000000, 0, 0};
  summary.files_new = 1;
  summary.total_bytes_processed = 18446744073709551615ULL;
  const std::string text = text_of(snapshot);
  CHECK(text ==
        R"({"time":"2017-07-14T04:40:00.000000005+02:00","parent":")" + ones + R"(","tree":")" +
            zeros +
            R"(","paths":["/a\u0026b","/c"],"hostname":"vm","username":"root","uid":1,"gid":2,)"
            R"("excludes":["*.o"],"tags":["x"],"original":")" +
            zeros +
            R"(","program_version":"holdfast 0.1.0","summary":{)"
            R"("backup_start":"2017-07-14T02:40:00Z","backup_end":"2017-07-14T02:40:00Z",)"
            R"("files_new":1,"files_changed":0,"files_unmodified":0,"dirs_new":0,)"
            R"("dirs_changed":0,"dirs_unmodified":0,"data_blobs":0,"tree_blobs":0,)"
            R"("data_added":0,"data_added_packed":0,"total_files_processed":0,)"
            R"("total_bytes_processed":18446744073709551615}})");
  CHECK(decoded(text) == snapshot);
}

TEST_CASE("members of other programs are kept when a snapshot is written again") {
  const std::string json = with(
      R"("summary":{"backup_start":"2017-07-14T02:40:00Z","total_duration":1.5,"command":"a b"},)"
      R"("future": {"a" : [1.0, "x"]},"f\n":null)");
  const Snapshot snapshot = decoded(json);
  CHECK(snapshot.other ==
        std::vector<RawMember>{{"future", R"({"a":[1.0,"x"]})"}, {"f\n", "null"}});
  CHECK(snapshot.summary->other ==
        std::vector<RawMember>{{"total_duration", "1.5"}, {"command", "\"a b\""}});
  CHECK(decoded(text_of(snapshot)) == snapshot);
  CHECK(text_of(snapshot).ends_with(R"("future":{"a":[1.0,"x"]},"f\n":null})"));
}

TEST_CASE("rustic's members are understood") {
  const Snapshot snapshot =
      decoded(with(R"("parents":[")" + ones +
                   R"("],"label":"l",)"
                   R"("description":"d","delete":{"After":"2030-01-01T00:00:00+00:00"},"tags":[],)"
                   R"("username":"")"));
  CHECK(snapshot.parents.size() == 1);
  CHECK(snapshot.label == "l");
  CHECK(snapshot.description == "d");
  CHECK(snapshot.delete_rule == DeleteRule::after);
  CHECK(snapshot.delete_after.seconds == 1893456000);
  CHECK(decoded(text_of(snapshot)) == snapshot);
  const Snapshot kept = decoded(with(R"("delete":"Never")"));
  CHECK(kept.delete_rule == DeleteRule::never);
  CHECK(decoded(text_of(kept)) == kept);
  CHECK(decoded(with(R"("delete":"NotSet")")).delete_rule == DeleteRule::unset);
  CHECK(decoded(with(R"("delete":null)")).delete_rule == DeleteRule::unset);
}

TEST_CASE("a delete rule that is not understood is not taken for none") {
  for (const char* rule : {R"("Sometimes")", "{}", R"({"Before":1})", "1", R"({"After":"soon"})"})
    CHECK_FALSE(decode_snapshot(as_bytes(with(std::string("\"delete\":") + rule))).has_value());
}

TEST_CASE("null stands for an absent member") {
  const Snapshot snapshot = decoded(R"({"time":"2017-07-14T02:40:00Z","tree":")" + zeros +
                                    R"(","paths":null,"summary":null,"parent":null,"uid":null})");
  CHECK(snapshot.paths.empty());
  CHECK_FALSE(snapshot.summary.has_value());
  CHECK_FALSE(snapshot.parent.has_value());
}

TEST_CASE("malformed snapshots are refused") {
  for (const std::string& json :
       {std::string(), std::string("[]"), std::string("{}"), with("") + "x",
        with(R"("uid":"root")"), with(R"("tags":"x")"), with(R"("parent":"ab")"),
        with(R"("summary":{"files_new":-1})"), with(R"("paths":[1])")}) {
    CAPTURE(json);
    CHECK_FALSE(decode_snapshot(as_bytes(json)).has_value());
  }
}
