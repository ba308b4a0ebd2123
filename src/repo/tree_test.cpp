#include "repo/tree.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "repo/sha256.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

std::vector<Node> nodes_of(std::string_view json) {
  auto nodes = decode_tree(as_bytes(json));
  if (!nodes.has_value()) FAIL(describe(nodes.error()));
  return std::move(nodes).value();
}

Node node_of(const std::string& members) {
  const auto nodes = nodes_of(R"({"nodes":[{)" + members + "}]}\n");
  REQUIRE(nodes.size() == 1);
  return nodes[0];
}

std::string text_of(const Bytes& blob) {
  return std::string(as_text(blob));
}

Node named(std::string name) {
  Node node;
  node.name = std::move(name);
  return node;
}

std::vector<TreeFlawKind> kinds_of(const std::vector<TreeFlaw>& flaws) {
  std::vector<TreeFlawKind> kinds;
  for (const auto& flaw : flaws) kinds.push_back(flaw.kind);
  return kinds;
}

}  // namespace

TEST_CASE("the recorded tree is read and written byte for byte") {
  const auto file = read_file(HOLDFAST_TEST_DATA "/vectors/vectors.json", 1 << 20).value();
  const auto vectors = nlohmann::json::parse(as_text(file));
  for (const char* which : {"tree", "empty_tree"}) {
    const auto json = vectors[which]["json"].get<std::string>();
    const Bytes again = encode_tree(nodes_of(json));
    CHECK(text_of(again) == json);
    CHECK(to_hex(sha256(again)) == vectors[which]["id"].get<std::string>());
  }
}

TEST_CASE("the empty directory is the same in every repository") {
  TreeEncoder encoder;
  CHECK(text_of(encoder.finish()) == empty_tree_json);
  CHECK(nodes_of(empty_tree_json).empty());
  CHECK(to_hex(sha256(as_bytes(empty_tree_json))) ==
        "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8");
}

TEST_CASE("every field stands in its place and is left out when the format says so") {
  Node node;
  node.name = "a<b\n";
  node.type = NodeType::file;
  node.mode = 0644;
  node.mtime = node.atime = node.ctime = {1500000000, 120000000, 0};
  node.uid = 1;
  node.user = "us\"er";
  node.group = "group";
  node.inode = 18446744073709551615ULL;
  node.device_id = 2;
  node.size = 3;
  node.links = 4;
  node.extended_attributes = {{"user.a", to_bytes(as_bytes("value"))}, {"user.b", {}}};
  node.generic_attributes = R"({"windows.file_attributes":32})";
  node.content.resize(1);
  node.error = "oops";
  const std::string zeros(64, '0');
  CHECK(text_of(encode_tree(std::span(&node, 1))) ==
        R"({"nodes":[{"name":"a\u003cb\\n","type":"file","mode":420,)"
        R"("mtime":"2017-07-14T02:40:00.12Z","atime":"2017-07-14T02:40:00.12Z",)"
        R"("ctime":"2017-07-14T02:40:00.12Z","uid":1,"gid":0,"user":"us\"er","group":"group",)"
        R"("inode":18446744073709551615,"device_id":2,"size":3,"links":4,)"
        R"("extended_attributes":[{"name":"user.a","value":"dmFsdWU="},)"
        R"({"name":"user.b","value":""}],)"
        R"("generic_attributes":{"windows.file_attributes":32},"content":[")" +
            zeros + "\"],\"error\":\"oops\"}]}\n");
  CHECK(nodes_of(text_of(encode_tree(std::span(&node, 1))))[0] == node);
}

TEST_CASE("content is a list for files and null for everything else") {
  Node file = named("f");
  CHECK(text_of(encode_tree(std::span(&file, 1))).find(R"("content":[])") != std::string::npos);
  Node dir = named("d");
  dir.type = NodeType::dir;
  dir.subtree.emplace();
  const std::string text = text_of(encode_tree(std::span(&dir, 1)));
  CHECK(text.find(R"("content":null,"subtree":"0000)") != std::string::npos);
  CHECK(nodes_of(text)[0] == dir);
}

TEST_CASE("a link to bytes that are not UTF-8 keeps them") {
  Node link = named("l");
  link.type = NodeType::symlink;
  link.link_target = "to\xFF";
  const std::string text = text_of(encode_tree(std::span(&link, 1)));
  CHECK(text.find(R"("linktarget":"to\ufffd","linktarget_raw":"dG//")") != std::string::npos);
  CHECK(nodes_of(text)[0] == link);
  CHECK(node_of(R"("name":"l","type":"symlink","linktarget_raw":"dG//","linktarget":"x")")
            .link_target == "to\xFF");
}

TEST_CASE("a node with a name and a type only is read, with unknown times") {
  const Node node = node_of(R"("name":"x","type":"dir")");
  CHECK(node.name == "x");
  CHECK(node.type == NodeType::dir);
  CHECK(node.mtime == unknown_time);
  CHECK_FALSE(node.subtree.has_value());
}

TEST_CASE("unknown members, nulls and doubled members do no harm") {
  const Node node = node_of(R"("type":"file","future":{"a":[1,2]},"size":1,"size":2,)"
                            R"("user":null,"name":"x","content":[])");
  CHECK(node.size == 2);
  CHECK(node.user.empty());
  CHECK(node.has_content);
  CHECK(nodes_of(R"({"version":3,"nodes":[],"more":null})").empty());
  CHECK(nodes_of(R"({"nodes":null})").empty());
  CHECK(nodes_of("{}").empty());
  CHECK(nodes_of(" { \"nodes\" : [ { \"name\" : \"a\" } , { \"name\" : \"b\" } ] } ").size() == 2);
}

TEST_CASE("nothing of one node is left in the next") {
  TreeReader reader(as_bytes(
      R"({"nodes":[{"name":"a","type":"symlink","linktarget":"t","linktarget_raw":"dG//","uid":7,)"
      R"("extended_attributes":[{"name":"n","value":null}],"generic_attributes":{"a":1},)"
      R"("inode":1,"error":"e"},{"name":"b","type":"file"}]})"));
  Node node;
  REQUIRE(reader.next(node).value());
  CHECK(node.extended_attributes == std::vector<ExtendedAttribute>{{"n", {}}});
  REQUIRE(reader.next(node).value());
  Node expected = named("b");
  expected.mtime = expected.atime = expected.ctime = unknown_time;
  expected.has_content = false;
  CHECK(node == expected);
  CHECK_FALSE(reader.next(node).value());
  CHECK_FALSE(reader.next(node).value());
}

TEST_CASE("malformed trees are refused wherever the damage is") {
  for (const char* json : {"",
                           "[]",
                           "{",
                           R"({"nodes":{}})",
                           R"({"nodes":[)",
                           R"({"nodes":[1]})",
                           R"({"nodes":[{]})",
                           R"({"nodes":[{"name":1}]})",
                           R"({"nodes":[{"name":"\\q"}]})",
                           R"({"nodes":[{"mtime":"yesterday"}]})",
                           R"({"nodes":[{"uid":-1}]})",
                           R"({"nodes":[{"uid":4294967296}]})",
                           R"({"nodes":[{"content":["ab"]}]})",
                           R"({"nodes":[{"content":{}}]})",
                           R"({"nodes":[{"subtree":"zz"}]})",
                           R"({"nodes":[{"generic_attributes":[]}]})",
                           R"({"nodes":[{"linktarget_raw":"?"}]})",
                           R"({"nodes":[]}x)",
                           R"({"nodes":[]})"
                           "\n{}",
                           R"({"nodes":[],"nodes":[]})",
                           R"({"nodes":[]},)",
                           R"({"nodes":[{"name":"a"}{"name":"b"}]})"}) {
    CAPTURE(json);
    const auto nodes = decode_tree(as_bytes(json));
    REQUIRE_FALSE(nodes.has_value());
    CHECK(nodes.error().code == ErrorCode::malformed);
  }
}

TEST_CASE("an error of the reader stays an error") {
  TreeReader reader(as_bytes(R"({"nodes":[{"name":"a"},{"uid":-1},{"name":"c"}]})"));
  Node node;
  CHECK(reader.next(node).value());
  CHECK_FALSE(reader.next(node).has_value());
  CHECK_FALSE(reader.next(node).has_value());
}

TEST_CASE("the encoder takes only ascending, safe names, compared as bytes") {
  TreeEncoder encoder;
  CHECK(encoder.add(named("B")).has_value());
  CHECK(encoder.add(named("a")).has_value());
  CHECK(encoder.add(named("\x7F")).has_value());
  CHECK(encoder.add(named("\x80")).has_value());
  CHECK(encoder.add(named("\xC3\xA9")).has_value());
  for (const char* name : {"\xC3\xA9", "z", "", ".", "..", "zz/x"})
    CHECK_FALSE(encoder.add(named(name)).has_value());
  CHECK(encoder.add(named("\xFF")).has_value());
  CHECK(nodes_of(text_of(encoder.finish())).size() == 6);
  CHECK(encoder.add(named("a")).has_value());
  CHECK(nodes_of(text_of(encoder.finish())).size() == 1);
}

TEST_CASE("flaws of a tree are found and named") {
  std::vector<Node> nodes = {named("b"), named("a"), named("a"), named("x/../../evil"), named("")};
  CHECK(kinds_of(find_flaws(nodes)) ==
        std::vector{TreeFlawKind::unordered, TreeFlawKind::duplicate_name,
                    TreeFlawKind::unsafe_name, TreeFlawKind::unsafe_name, TreeFlawKind::unordered});
  const auto odd = nodes_of(R"({"nodes":[{"name":"a","type":"file","content":null},)"
                            R"({"name":"b","type":"dir"},{"name":"c","type":"door"},)"
                            R"({"type":"fifo"}]})");
  CHECK(kinds_of(find_flaws(odd)) ==
        std::vector{TreeFlawKind::file_without_content, TreeFlawKind::dir_without_subtree,
                    TreeFlawKind::unknown_type, TreeFlawKind::unsafe_name,
                    TreeFlawKind::unordered});
  CHECK(find_flaws({}).empty());
  for (const auto kind : {TreeFlawKind::unordered, TreeFlawKind::duplicate_name,
                          TreeFlawKind::unsafe_name, TreeFlawKind::file_without_content,
                          TreeFlawKind::dir_without_subtree, TreeFlawKind::unknown_type})
    CHECK_FALSE(describe(kind).empty());
}
