// Repositories written by restic and rustic, decoded and encoded again.
#include "doubles/fixture_repository.hpp"
#include "repo/lock_file.hpp"
#include "repo/snapshot.hpp"
#include "repo/tree.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::fixture_names;
using holdfast::test::FixtureRepository;

namespace {

bool is_written_by_restic(const std::string& name) {
  return name.starts_with("restic");
}

// restic 0.14 wrote the bytes of a link that are not UTF-8 as an escaped replacement character, and
// kept nothing else of them. Written again (by restic, too) that character stands for itself.
std::string with_replacements_unescaped(std::string text) {
  constexpr std::string_view escaped = "\\ufffd";
  for (auto at = text.find(escaped); at != std::string::npos; at = text.find(escaped, at))
    text.replace(at, escaped.size(), "\xEF\xBF\xBD");
  return text;
}

struct TreeCounts {
  int trees = 0;
  int nodes = 0;
};

TreeCounts check_trees(const FixtureRepository& fixture, const std::string& name) {
  TreeCounts counts;
  for (const auto& pack : fixture.packs()) {
    for (const auto& packed : pack.blobs) {
      if (packed.type != BlobType::tree) continue;
      const Bytes blob = fixture.blob(pack, packed);
      const auto nodes = decode_tree(blob);
      REQUIRE(nodes.has_value());
      CHECK(find_flaws(*nodes).empty());
      const Bytes again = encode_tree(*nodes);
      std::string expected(as_text(blob));
      if (name == "restic-0.14.0") expected = with_replacements_unescaped(expected);
      if (is_written_by_restic(name)) CHECK(as_text(again) == expected);
      CHECK(decode_tree(again).value() == *nodes);
      ++counts.trees;
      counts.nodes += static_cast<int>(nodes->size());
    }
  }
  return counts;
}

}  // namespace

TEST_CASE("the trees of all fixtures are read, and those of restic are encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    const auto counts = check_trees(fixture, name);
    CHECK(counts.trees >= 3);
    CHECK(counts.nodes > 30);
  }
}

TEST_CASE("the snapshots of all fixtures are read, and those of restic encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    int count = 0;
    for (const auto& [file, stored] : fixture.files("snapshots")) {
      CHECK(to_hex(sha256(stored)) == file);
      const Bytes json = fixture.json_of(stored);
      const auto snapshot = decode_snapshot(json);
      REQUIRE(snapshot.has_value());
      if (is_written_by_restic(name)) CHECK(as_text(encode_snapshot(*snapshot)) == as_text(json));
      if (is_written_by_restic(name)) CHECK(snapshot->other.empty());
      CHECK(decode_snapshot(encode_snapshot(*snapshot)).value() == *snapshot);
      CHECK_FALSE(snapshot->paths.empty());
      ++count;
    }
    CHECK(count >= 1);
  }
}

TEST_CASE("the index files of all fixtures are read, and those of restic encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    for (const auto& [file, stored] : fixture.files("index")) {
      const Bytes json = fixture.json_of(stored);
      IndexEncoder encoder;
      const auto decoded = decode_index(json, [&](const IndexedPack& pack) -> Result<void> {
        CHECK_FALSE(coverage_flaw(pack).has_value());
        encoder.add(pack);
        return {};
      });
      REQUIRE(decoded.has_value());
      const Bytes again = encoder.finish();
      if (is_written_by_restic(name)) CHECK(as_text(again) == as_text(json));
    }
  }
}

TEST_CASE("pack headers of all fixtures agree with the index and are encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    std::map<std::string, Bytes> stored = fixture.files("data");
    CHECK(stored.size() >= fixture.packs().size());
    for (auto pack : fixture.packs()) {
      const Bytes& bytes = stored.at(pack.id.hex());
      CHECK(sha256(bytes) == pack.id.bytes);
      const auto place = locate_pack_header(ByteView(bytes).last(4), bytes.size()).value();
      const Bytes plain = fixture.unseal(ByteView(bytes).subspan(place.offset, place.sealed_bytes));
      const auto blobs = decode_pack_header(plain, place).value();
      std::sort(pack.blobs.begin(), pack.blobs.end(),
                [](const auto& left, const auto& right) { return left.offset < right.offset; });
      CHECK(blobs == pack.blobs);
      CHECK(encode_pack_header(blobs) == plain);
    }
  }
}

TEST_CASE("configs of all fixtures are read and encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    CHECK(fixture.config().version ==
          (name == "restic-v1" ? FormatVersion::v1 : FormatVersion::v2));
    if (is_written_by_restic(name))
      CHECK(as_text(encode_config(fixture.config())) == as_text(fixture.config_json()));
    CHECK(decode_config(encode_config(fixture.config())).value() == fixture.config());
  }
}

TEST_CASE("key files of all fixtures are named by their hash and encoded byte for byte") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    const FixtureRepository fixture(name);
    for (const auto& [file, json] : fixture.files("keys")) {
      CHECK(to_hex(sha256(json)) == file);
      const auto key_file = decode_key_file(json).value();
      if (is_written_by_restic(name)) CHECK(as_text(encode_key_file(key_file)) == as_text(json));
    }
  }
}
