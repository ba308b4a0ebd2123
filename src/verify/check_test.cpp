#include "verify/check.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "doubles/memory_repository.hpp"
#include "doubles/sample_snapshot.hpp"
#include "repo/layout.hpp"

namespace holdfast::verify {
namespace {

const CheckOptions every_byte{.level = Level::decrypt, .threads = 2, .lock = {}};

// Two snapshots that share most, in packs small enough that there are several.
struct World : test::MemoryRepository {
  test::SampleFiles files;
  std::vector<repo::SnapshotId> snapshots;

  explicit World(std::uint64_t seed = 1) : MemoryRepository(seed) {
    auto repository = open();
    repo::WriterOptions options;
    options.data_pack_bytes = 64 * 1024;
    files = test::make_sample_files(rng, 12);
    snapshots.push_back(save(repository, options));
    files["shop/part0/file0"] = "something else";
    clock.advance(std::chrono::hours(1));
    snapshots.push_back(save(repository, options));
  }
  repo::SnapshotId save(repo::Repository& repository, const repo::WriterOptions& options) {
    const auto saved = test::save_sample(repository, files, options);
    REQUIRE_MESSAGE(saved.has_value(), describe_failure(saved));
    return *saved;
  }

  Report check(const CheckOptions& options = every_byte) {
    auto report = check_repository(context, store, password, options);
    REQUIRE_MESSAGE(report.has_value(), describe_failure(report));
    return std::move(*report);
  }
  void replace(const std::string& name, ByteView bytes) {
    REQUIRE(store.put(name, bytes, store::Durability::immediate).has_value());
  }
  void flip(const std::string& name, std::uint64_t bit) {
    auto bytes = store.get(name).value();
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    replace(name, bytes);
  }
  std::string only(std::string_view prefix, std::size_t number = 0) {
    auto found = names(prefix);
    REQUIRE(found.size() > number);
    return found[number];
  }
};

bool names_object(const Report& report, const std::string& object) {
  return std::ranges::any_of(report.findings,
                             [&](const Finding& finding) { return finding.object == object; });
}

bool names_byte(const Report& report, const std::string& object, std::uint64_t byte) {
  return std::ranges::any_of(report.findings, [&](const Finding& finding) {
    return finding.object == object && finding.length != 0 && byte >= finding.offset &&
           byte < finding.offset + finding.length;
  });
}

TEST_CASE("a good repository is clean at both levels, and all of it is read") {
  World world;
  const Report quick = world.check({.level = Level::read_back, .lock = {}});
  CHECK(quick.is_clean());
  CHECK(quick.findings.empty());
  CHECK(quick.snapshots == 2);
  CHECK(quick.trees >= 5);
  const Report full = world.check();
  CHECK(full.findings.empty());
  CHECK(full.packs_checked == world.names("data/").size());
  CHECK(full.packs_checked > 3);
  CHECK(full.objects_checked == world.names().size());
}

TEST_CASE("1,000 random flips of one bit: each is found and named, none is missed") {
  World world;
  {
    repo::LockFile lock;
    lock.time = repo::make_node_time(world.clock.now());
    REQUIRE(world.open().save_lock(repo::encode_lock_file(lock)).has_value());
    auto repository = world.open();
    const auto second =
        repo::add_key(world.context, world.store, repository.key().master,
                      Secret(as_bytes("second")), repo::KeyOptions({}, test::test_scrypt_cost));
    REQUIRE(second.has_value());
  }
  std::vector<std::pair<std::string, std::uint64_t>> objects;
  for (const auto& name : world.names())
    objects.emplace_back(name, world.store.stat(name).value().bytes);
  SeededRng rng(20261125);
  int missed = 0;
  for (int round = 0; round < 1000; ++round) {
    const auto& [name, bytes] = objects[rng.below(objects.size())];
    const std::uint64_t bit = rng.below(bytes * 8);
    world.flip(name, bit);
    const Report report = world.check();
    const bool is_pack = name.starts_with("data/");
    const bool found = names_object(report, name) && !report.is_clean() &&
                       (!is_pack || names_byte(report, name, bit / 8));
    if (!found) ++missed;
    CHECK_MESSAGE(found, "flip ", round, ": bit ", bit, " of ", name);
    world.flip(name, bit);
  }
  CHECK(missed == 0);
  CHECK(world.check().findings.empty());
}

TEST_CASE("each region of a pack is told apart") {
  World world;
  const std::string pack = world.only("data/");
  const auto bytes = world.store.stat(pack).value().bytes;
  const auto kind_of_flip = [&](std::uint64_t byte) {
    world.flip(pack, byte * 8);
    const Report report = world.check();
    world.flip(pack, byte * 8);
    REQUIRE(report.findings.size() == 1);
    return report.findings.front();
  };
  CHECK(kind_of_flip(0).kind == FindingKind::damaged_blob);
  const Finding header = kind_of_flip(bytes - 10);
  CHECK(header.kind == FindingKind::damaged_header);
  CHECK(header.offset + header.length == bytes - 4);
  const Finding field = kind_of_flip(bytes - 2);
  CHECK(field.kind == FindingKind::damaged_header);
  CHECK(field.offset == bytes - 4);
  CHECK(field.message.find("length field") != std::string::npos);
}

// Where the first blob of a file's contents is.
std::pair<std::string, std::uint64_t> place_of(World& world, const std::string& contents) {
  const auto repository = world.open_indexed();
  const auto first = as_bytes(contents).first(std::min(test::sample_chunk_bytes, contents.size()));
  const auto copies =
      repository.index().find_all({repo::BlobType::data, repo::BlobId{repo::sha256(first)}});
  REQUIRE(copies.size() == 1);
  return {object_name(repository.index().pack(copies[0].pack).id), copies[0].offset};
}

TEST_CASE("a damaged data blob names the snapshots, files and collections it costs") {
  World world;
  const auto [pack, offset] = place_of(world, world.files["shop/orders.bson"]);
  world.flip(pack, offset * 8);
  const Report report = world.check();
  REQUIRE(report.findings.size() == 1);
  const Finding& finding = report.findings.front();
  CHECK(finding.snapshots.size() == 2);
  CHECK(finding.paths == std::vector<std::string>{"/shop/orders.bson"});
  CHECK(finding.collections == std::vector<std::string>{"shop.orders"});

  const auto [other_pack, other_offset] = place_of(world, world.files["shop/part0/file0"]);
  world.flip(pack, offset * 8);
  world.flip(other_pack, other_offset * 8);
  const Report other = world.check();
  REQUIRE(other.findings.size() == 1);
  CHECK(other.findings.front().snapshots == std::vector{world.snapshots[1]});
  CHECK(other.findings.front().paths == std::vector<std::string>{"/shop/part0/file0"});
}

TEST_CASE("a damaged root tree costs the whole snapshot, and is found without reading all") {
  World world;
  const auto repository = world.open_indexed();
  const auto tree = repository.load_snapshot(world.snapshots[1]).value().snapshot.tree;
  const auto place = repository.index().find_live({repo::BlobType::tree, tree}).value().blob;
  world.flip(object_name(repository.index().pack(place.pack).id), place.offset * 8 + 99);
  for (const Level level : {Level::read_back, Level::decrypt}) {
    const Report report = world.check({.level = level, .lock = {}});
    REQUIRE(report.findings.size() == 1);
    CHECK(report.findings.front().kind == FindingKind::damaged_blob);
    CHECK(report.findings.front().snapshots == std::vector{world.snapshots[1]});
    CHECK(report.findings.front().paths == std::vector<std::string>{"/"});
  }
}

TEST_CASE("a missing pack is found by read-back, with the files in it") {
  World world;
  const auto [pack, offset] = place_of(world, world.files["shop/orders.bson"]);
  REQUIRE(world.store.remove(pack).has_value());
  const Report report = world.check({.level = Level::read_back, .lock = {}});
  REQUIRE(report.findings.size() == 1);
  CHECK(report.findings.front().kind == FindingKind::missing_pack);
  CHECK(report.findings.front().object == pack);
  CHECK(std::ranges::count(report.findings.front().paths, "/shop/orders.bson") == 1);
}

TEST_CASE("a pack that was cut short is found by read-back") {
  World world;
  const std::string pack = world.only("data/", 1);
  auto bytes = world.store.get(pack).value();
  bytes.resize(bytes.size() - 1);
  world.replace(pack, bytes);
  CHECK(names_object(world.check({.level = Level::read_back, .lock = {}}), pack));
  CHECK(names_object(world.check(), pack));
  bytes.resize(10);
  world.replace(pack, bytes);
  const Report report = world.check();
  CHECK(names_object(report, pack));
  CHECK(!report.is_clean());
}

TEST_CASE("a removed index file: the blobs are missing and the packs left over") {
  World world;
  REQUIRE(world.store.remove(world.only("index/")).has_value());
  const Report report = world.check({.level = Level::read_back, .lock = {}});
  CHECK(!report.is_clean());
  CHECK(std::ranges::any_of(report.findings, [](const Finding& finding) {
    return finding.kind == FindingKind::missing_blob && !finding.snapshots.empty();
  }));
  CHECK(std::ranges::any_of(report.findings, [](const Finding& finding) {
    return finding.kind == FindingKind::unindexed_pack && finding.severity == Severity::note;
  }));
}

TEST_CASE("a damaged index file takes the blame for what can not be found") {
  World world;
  const std::string index = world.only("index/");
  world.flip(index, 1000);
  const Report report = world.check();
  REQUIRE(!report.findings.empty());
  CHECK(report.findings.front().object == index);
  CHECK(report.findings.front().kind == FindingKind::damaged_index);
  CHECK(!report.findings.front().snapshots.empty());
}

TEST_CASE("damage in a pack that nothing refers to is a note") {
  World world;
  const std::string pack = world.only("data/");
  auto bytes = world.store.get(pack).value();
  bytes.resize(bytes.size() / 2);
  world.replace("data/ff/" + std::string(64, 'f'), bytes);
  const Report report = world.check();
  CHECK(report.is_clean());
  CHECK(report.findings.size() == 2);
}

TEST_CASE("an intact pack under a wrong name is found") {
  World world;
  const std::string pack = world.only("data/");
  const std::string wrong = "data/ee/" + std::string(64, 'e');
  world.replace(wrong, world.store.get(pack).value());
  const Report report = world.check();
  CHECK(std::ranges::any_of(report.findings, [&](const Finding& finding) {
    return finding.kind == FindingKind::misnamed_pack && finding.object == wrong;
  }));
}

TEST_CASE("every pack is in exactly one share") {
  World world;
  std::uint64_t packs = 0;
  for (std::uint32_t share = 1; share <= 3; ++share)
    packs += world.check({.level = Level::decrypt, .share = share, .share_count = 3, .lock = {}})
                 .packs_checked;
  CHECK(packs == world.names("data/").size());
  CHECK(check_repository(world.context, world.store, world.password,
                         {.share = 4, .share_count = 3, .lock = {}})
            .error()
            .code == ErrorCode::usage);
}

TEST_CASE("a wrong password is an error, not a finding, while all keys are good") {
  World world;
  const Secret wrong(as_bytes("wrong"));
  CHECK(check_repository(world.context, world.store, wrong).error().code == ErrorCode::wrong_key);
}

TEST_CASE("a store that can not be reached is an error, not a finding") {
  World world;
  REQUIRE(world.store.reopen({.crash_at_call = 30}).has_value());
  CHECK(!check_repository(world.context, world.store, world.password, every_byte).has_value());
}

}  // namespace
}  // namespace holdfast::verify
