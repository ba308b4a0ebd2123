// Random values go through their stored form and come back the same.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "repo/compress.hpp"
#include "repo/index_file.hpp"
#include "repo/names.hpp"
#include "repo/snapshot.hpp"
#include "repo/tree.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

// Bytes that quoting treats in different ways are as likely as all others together.
rc::Gen<std::string> any_bytes() {
  const auto any = rc::gen::arbitrary<char>();
  const auto odd = rc::gen::element('\\', '"', '\n', '\x7F', '<', '&', '\0', '/', '.', '\xC3',
                                    '\xA9', '\xE2', '\x80', '\xA8', '\xED', '\xF0', '\xFF', 'a');
  return rc::gen::container<std::string>(rc::gen::oneOf(any, odd));
}

// JSON strings hold Unicode only: the fields that are not names or targets.
rc::Gen<std::string> any_text() {
  return rc::gen::map(any_bytes(), [](std::string text) {
    for (char& byte : text) byte = static_cast<char>(byte & 0x7F);
    return text;
  });
}

template <class T>
T any() {
  return *rc::gen::arbitrary<T>();
}

NodeTime any_time() {
  NodeTime time;
  time.seconds = *rc::gen::inRange<std::int64_t>(-62135596800, 253402214400);
  time.nanoseconds = *rc::gen::inRange<std::uint32_t>(0, 1000000000);
  time.offset_seconds = *rc::gen::inRange(-14 * 60, 15 * 60) * 60;
  return time;
}

template <class IdType>
IdType any_id() {
  IdType id;
  for (auto& byte : id.bytes) byte = any<std::uint8_t>();
  return id;
}

Bytes any_blob() {
  return to_bytes(as_bytes(*any_bytes()));
}

Node any_node() {
  Node node;
  node.name = *any_bytes();
  node.type = static_cast<NodeType>(*rc::gen::inRange(0, 7));
  node.mode = any<std::uint32_t>();
  node.mtime = any_time();
  node.atime = any_time();
  node.ctime = any_time();
  node.uid = any<std::uint32_t>();
  node.gid = any<std::uint32_t>();
  node.user = *any_text();
  node.group = *any_text();
  node.inode = any<std::uint64_t>();
  node.device_id = any<std::uint64_t>();
  node.size = any<std::uint64_t>();
  node.links = any<std::uint64_t>();
  node.link_target = *any_bytes();
  for (int count = *rc::gen::inRange(0, 3); count > 0; --count)
    node.extended_attributes.push_back({*any_text(), any_blob()});
  node.device = any<std::uint64_t>();
  if (node.type == NodeType::file) {
    node.has_content = any<bool>();
    for (int count = *rc::gen::inRange(0, 3); count > 0 && node.has_content; --count)
      node.content.push_back(any_id<BlobId>());
  }
  if (any<bool>()) node.subtree = any_id<BlobId>();
  node.error = *any_text();
  return node;
}

std::vector<PackedBlob> any_pack_layout() {
  std::vector<PackedBlob> blobs(*rc::gen::inRange<std::size_t>(0, 20));
  std::uint32_t offset = 0;
  for (auto& blob : blobs) {
    blob.id = any_id<BlobId>();
    blob.type = any<bool>() ? BlobType::tree : BlobType::data;
    blob.offset = offset;
    blob.length = *rc::gen::inRange<std::uint32_t>(32, 1 << 24);
    blob.plain_length = any<bool>() ? any<std::uint32_t>() : 0;
    offset += blob.length;
  }
  return blobs;
}

}  // namespace

TEST_CASE("any bytes are a name that can be quoted and unquoted") {
  CHECK(rc::check([] {
    const std::string raw = *any_bytes();
    const std::string quoted = quote_name(raw);
    RC_ASSERT(unquote_name(quoted).value() == raw);
    RC_ASSERT(is_valid_utf8(quoted));
  }));
}

TEST_CASE("any tree is read as it was written, and another parser agrees that it is JSON") {
  CHECK(rc::check([] {
    std::vector<Node> nodes(*rc::gen::inRange<std::size_t>(0, 4));
    for (auto& node : nodes) node = any_node();
    const Bytes blob = encode_tree(nodes);
    RC_ASSERT(decode_tree(blob).value() == nodes);
    RC_ASSERT(nlohmann::json::accept(as_text(blob)));
  }));
}

TEST_CASE("the checking encoder writes what the plain one writes when names ascend") {
  CHECK(rc::check([] {
    std::vector<Node> nodes(*rc::gen::inRange<std::size_t>(0, 5));
    for (auto& node : nodes) node = any_node();
    std::sort(nodes.begin(), nodes.end(),
              [](const Node& left, const Node& right) { return left.name < right.name; });
    TreeEncoder encoder;
    bool is_taken = true;
    for (const auto& node : nodes) is_taken = is_taken && encoder.add(node).has_value();
    const auto flaws = find_flaws(nodes);
    const bool names_are_good = std::none_of(flaws.begin(), flaws.end(), [](const TreeFlaw& flaw) {
      return flaw.kind == TreeFlawKind::unsafe_name || flaw.kind == TreeFlawKind::duplicate_name;
    });
    RC_ASSERT(is_taken == names_are_good);
    if (is_taken) RC_ASSERT(encoder.finish() == encode_tree(nodes));
  }));
}

TEST_CASE("any pack layout survives its header, and every change of one byte is seen or harmless") {
  CHECK(rc::check([] {
    const auto blobs = any_pack_layout();
    std::uint64_t end = 0;
    for (const auto& blob : blobs) end += blob.length;
    Bytes plain = encode_pack_header(blobs);
    RC_ASSERT(decode_pack_header(plain, {end, 0}).value() == blobs);
    if (plain.empty()) return;
    const auto at = *rc::gen::inRange<std::size_t>(0, plain.size());
    plain[at] = static_cast<std::uint8_t>(plain[at] ^ *rc::gen::inRange(1, 256));
    const auto changed = decode_pack_header(plain, {end, 0});
    if (changed.has_value()) RC_ASSERT(encode_pack_header(*changed) == plain);
  }));
}

TEST_CASE("any index is read as it was written") {
  CHECK(rc::check([] {
    std::vector<IndexedPack> packs(*rc::gen::inRange<std::size_t>(0, 4));
    IndexEncoder encoder;
    for (auto& pack : packs) {
      pack.id = any_id<PackId>();
      pack.blobs = any_pack_layout();
      if (any<bool>()) pack.time = any_time();
      if (any<bool>()) pack.pack_bytes = any<std::uint64_t>();
      encoder.add(pack);
    }
    std::vector<IndexedPack> read;
    RC_ASSERT(decode_index(encoder.finish(), [&](const IndexedPack& pack) -> Result<void> {
                read.push_back(pack);
                return {};
              }).has_value());
    RC_ASSERT(read == packs);
  }));
}

TEST_CASE("any snapshot is read as it was written") {
  CHECK(rc::check([] {
    Snapshot snapshot;
    snapshot.time = any_time();
    if (any<bool>()) snapshot.parent = any_id<SnapshotId>();
    snapshot.tree = any_id<BlobId>();
    snapshot.paths = *rc::gen::container<std::vector<std::string>>(any_text());
    snapshot.hostname = *any_text();
    snapshot.uid = any<std::uint32_t>();
    snapshot.tags = *rc::gen::container<std::vector<std::string>>(any_text());
    if (any<bool>()) snapshot.summary.emplace().files_new = any<std::uint64_t>();
    if (any<bool>()) snapshot.other.push_back({"unknown" + *any_text(), "[1]"});
    RC_ASSERT(decode_snapshot(encode_snapshot(snapshot)).value() == snapshot);
  }));
}

TEST_CASE("any bytes survive compression") {
  CHECK(rc::check([] {
    Compressor compressor(*rc::gen::inRange(-7, 4));
    Decompressor decompressor;
    const Bytes plain = any_blob();
    Bytes frame;
    RC_ASSERT(compressor.append_frame(plain, frame).has_value());
    RC_ASSERT(decompressor.decompress(frame, plain.size()).value() == plain);
  }));
}
