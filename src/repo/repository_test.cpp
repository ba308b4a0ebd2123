// Opening, reading and looking around in repositories, our own and those of others.
#include "repo/repository.hpp"

#include <fmt/format.h>

#include "doubles/fixture_repository.hpp"
#include "doubles/memory_repository.hpp"
#include "repo/blob_reader.hpp"
#include "repo/layout.hpp"
#include "repo/sealing.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"
#include "store/local_store.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::fixture_names;
using holdfast::test::MemoryRepository;
using holdfast::test::ScratchDirectory;

namespace {

// A fixture opened through a LocalStore, as a user would.
struct OpenedFixture {
  explicit OpenedFixture(const std::string& name, std::string_view password = "test")
      : fixture(name), store(store::LocalStore::open(fixture.root()).value()) {
    auto opened = Repository::open(context, *store, Secret(as_bytes(password)), options());
    REQUIRE_MESSAGE(opened.has_value(), MemoryRepository::describe_failure(opened));
    repository.emplace(std::move(*opened));
  }
  OpenOptions options() { return {cache.path()}; }

  SystemClock clock;
  SystemRng rng;
  test::RecordingLog log;
  Context context{clock, rng, log, {}};
  ScratchDirectory cache;
  test::FixtureRepository fixture;
  std::unique_ptr<store::LocalStore> store;
  std::optional<Repository> repository;
};

struct Walked {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
};

void walk(const Repository& repository, BlobReader& reader, const BlobId& tree, Walked& walked) {
  const auto nodes = repository.load_tree(tree);
  REQUIRE_MESSAGE(nodes.has_value(), MemoryRepository::describe_failure(nodes));
  for (const auto& node : *nodes) {
    if (node.type == NodeType::file) ++walked.files;
    for (const auto& id : node.content) {
      const auto plain = reader.load({BlobType::data, id});
      REQUIRE_MESSAGE(plain.has_value(), MemoryRepository::describe_failure(plain));
      walked.bytes += plain->size();
    }
    if (node.subtree) walk(repository, reader, *node.subtree, walked);
  }
}

Snapshot snapshot_at(std::int64_t seconds) {
  Snapshot snapshot;
  snapshot.time.seconds = seconds;
  snapshot.paths = {"/srv"};
  return snapshot;
}

ErrorCode code_of(const auto& result) {
  REQUIRE(!result.has_value());
  return result.error().code;
}

// Pack headers say what the index says, in the order of the file.
void check_pack_headers(OpenedFixture& opened) {
  for (auto pack : opened.fixture.packs()) {
    const auto size = opened.store->stat(object_name(pack.id)).value().bytes;
    const auto header = opened.repository->load_pack_header(pack.id, size);
    REQUIRE_MESSAGE(header.has_value(), MemoryRepository::describe_failure(header));
    std::sort(pack.blobs.begin(), pack.blobs.end(),
              [](const auto& left, const auto& right) { return left.offset < right.offset; });
    CHECK(*header == pack.blobs);
  }
}

}  // namespace

TEST_CASE("every blob of every snapshot and every pack header of every fixture is read") {
  for (const std::string name : fixture_names) {
    CAPTURE(name);
    OpenedFixture opened(name);
    auto& repository = *opened.repository;
    const auto snapshots = repository.snapshots();
    REQUIRE(snapshots.has_value());
    REQUIRE(!snapshots->empty());
    REQUIRE(repository.load_index().has_value());
    BlobReader reader(repository);
    Walked walked;
    for (const auto& stored : *snapshots) walk(repository, reader, stored.snapshot.tree, walked);
    CHECK(walked.files >= 10);
    CHECK(walked.bytes > 1'000'000);
    CHECK(opened.log.count() == 0);
    check_pack_headers(opened);
  }
}

TEST_CASE("a second password opens the same master key of a repository of restic") {
  OpenedFixture opened("restic-0.18.0");
  const auto second = open_with_password(opened.context, *opened.store, Secret(as_bytes("second")));
  REQUIRE(second.has_value());
  CHECK(second->id != opened.repository->key().id);
  CHECK(second->master.encrypt == opened.repository->key().master.encrypt);
}

TEST_CASE("a wrong password is told from a missing repository") {
  MemoryRepository world;
  const Secret wrong(as_bytes("wrong"));
  CHECK(code_of(Repository::open(world.context, world.store, wrong)) == ErrorCode::wrong_key);
  store::MemoryStore empty(world.clock);
  CHECK(code_of(Repository::open(world.context, empty, wrong)) == ErrorCode::no_repository);
}

TEST_CASE("init refuses a place that holds a repository or the remains of one") {
  MemoryRepository world;
  const auto again = [&] {
    return Repository::init(world.context, world.store, Secret(as_bytes("new")),
                            {{}, test::test_scrypt_cost});
  };
  CHECK(code_of(again()) == ErrorCode::exists);
  REQUIRE(world.store.remove(config_name).has_value());
  CHECK(code_of(again()) == ErrorCode::exists);  // a key that this password does not open
  REQUIRE(world.store.remove(world.names(keys_prefix).front()).has_value());
  REQUIRE(world.store
              .put(object_name(SnapshotId{sha256({})}), as_bytes("x"), store::Durability::immediate)
              .has_value());
  CHECK(code_of(again()) == ErrorCode::exists);
}

TEST_CASE("an init that died before the config is completed by the next one") {
  MemoryRepository world;
  const auto key = world.open().key();
  REQUIRE(world.store.remove(config_name).has_value());
  auto completed = Repository::init(world.context, world.store, world.password);
  REQUIRE(completed.has_value());
  CHECK(completed->key().id == key.id);
  CHECK(world.names(keys_prefix).size() == 1);
  CHECK(world.open().config().id == completed->config().id);
}

TEST_CASE("a damaged config is not mistaken for a wrong password") {
  MemoryRepository world;
  auto config = world.store.get(config_name).value();
  config[config.size() / 2] ^= 1;
  REQUIRE(world.store.put(config_name, config, store::Durability::immediate).has_value());
  CHECK(code_of(Repository::open(world.context, world.store, world.password)) ==
        ErrorCode::corrupt);
}

TEST_CASE("snapshots are found by latest, by id and by any unique prefix") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  CHECK(code_of(repository.find_snapshot("latest")) == ErrorCode::not_found);
  std::vector<SnapshotId> ids;
  for (const int day : {3, 1, 2})
    ids.push_back(repository.publish_snapshot(snapshot_at(day * 86400)).value());

  CHECK(repository.find_snapshot("latest").value().id == ids[0]);
  CHECK(repository.find_snapshot(ids[1].hex()).value().id == ids[1]);
  CHECK(repository.find_snapshot(ids[2].hex().substr(0, 12)).value().id == ids[2]);
  CHECK(code_of(repository.find_snapshot("zz")) == ErrorCode::not_found);
  CHECK(code_of(repository.find_snapshot("")) == ErrorCode::not_found);
  const auto listed = repository.snapshots().value();
  REQUIRE(listed.size() == 3);
  CHECK(listed[0].id == ids[1]);
  CHECK(listed[2].id == ids[0]);

  REQUIRE(repository.remove_snapshot(ids[0]).has_value());
  CHECK(repository.find_snapshot("latest").value().id == ids[2]);
}

TEST_CASE("a prefix of several snapshots is refused with their names") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  for (int day = 0; day < 17; ++day)  // 17 ids can not differ in their first of 16 digits
    REQUIRE(repository.publish_snapshot(snapshot_at(day)).has_value());
  std::size_t ambiguous = 0;
  for (const char digit : std::string("0123456789abcdef")) {
    const auto found = repository.find_snapshot(std::string(1, digit));
    if (found.has_value() || found.error().code != ErrorCode::conflict) continue;
    ++ambiguous;
    CHECK(found.error().message.find(std::string(", ") + digit) != std::string::npos);
  }
  CHECK(ambiguous >= 1);
}

TEST_CASE("an unreadable snapshot is reported apart and does not hide the others") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  const auto good = repository.publish_snapshot(snapshot_at(1)).value();
  const auto bad = repository.publish_snapshot(snapshot_at(2)).value();
  auto bytes = world.store.get(object_name(bad)).value();
  bytes.back() ^= 1;
  REQUIRE(world.store.put(object_name(bad), bytes, store::Durability::immediate).has_value());

  const auto listing = repository.list_snapshots().value();
  REQUIRE(listing.snapshots.size() == 1);
  CHECK(listing.snapshots.front().id == good);
  REQUIRE(listing.unreadable.size() == 1);
  CHECK(listing.unreadable.front().code == ErrorCode::corrupt);
  CHECK(describe(listing.unreadable.front()).find(bad.short_hex()) != std::string::npos);
  CHECK(repository.find_snapshot("latest").value().id == good);
  CHECK(world.log.mentions(bad.short_hex()));
}

TEST_CASE("a blob is read from another pack when one copy is damaged") {
  MemoryRepository world;
  const auto plain = as_bytes("the same blob in two packs");
  // Two writers that do not know of each other store it twice.
  auto one = world.open_indexed();
  auto other = world.open_indexed();
  for (auto* repository : {&one, &other}) {
    auto writer = Writer::make(*repository).value();
    CHECK(writer.save(BlobType::data, plain).value().was_new);
    REQUIRE(writer.finish().has_value());
  }
  auto repository = world.open_indexed();
  const BlobHandle handle{BlobType::data, BlobId{sha256(plain)}};
  const auto copies = repository.index().find_all(handle);
  REQUIRE(copies.size() == 2);
  std::vector<std::string> names;
  for (const auto& copy : copies)
    names.push_back(object_name(repository.index().pack(copy.pack).id));

  auto first = world.store.get(names[0]).value();
  first[copies[0].offset + 20] ^= 0x40;
  REQUIRE(world.store.put(names[0], first, store::Durability::immediate).has_value());
  CHECK(as_text(repository.load_blob(handle).value()) == as_text(plain));
  REQUIRE(world.store.remove(names[1]).has_value());
  const auto lost = repository.load_blob(handle);
  CHECK(code_of(lost) == ErrorCode::not_found);
  REQUIRE(world.store.put(names[1], first, store::Durability::immediate).has_value());
  CHECK(code_of(repository.load_blob(handle)) == ErrorCode::corrupt);
  CHECK(code_of(repository.load_blob({BlobType::tree, handle.id})) == ErrorCode::not_found);
}

TEST_CASE("a run of neighbouring blobs is read with one request") {
  MemoryRepository world;
  auto repository = world.open_indexed();
  auto writer = Writer::make(repository).value();
  std::vector<std::string> texts;
  for (int at = 0; at < 50; ++at) texts.push_back(fmt::format("blob number {}", at));
  for (const auto& text : texts) REQUIRE(writer.save(BlobType::data, as_bytes(text)).has_value());
  REQUIRE(writer.finish().has_value());

  std::vector<IndexedBlob> blobs;
  for (const auto& text : texts)
    blobs.push_back(repository.index()
                        .find_live({BlobType::data, BlobId{sha256(as_bytes(text))}})
                        .value()
                        .blob);
  std::sort(blobs.begin(), blobs.end(),
            [](const auto& left, const auto& right) { return left.offset < right.offset; });
  BlobReader reader(repository);
  REQUIRE(world.store.reopen().has_value());
  std::vector<std::string> seen;
  REQUIRE(reader
              .load_run(blobs,
                        [&](std::size_t number, ByteView plain) -> Result<void> {
                          CHECK(BlobId{sha256(plain)} == blobs[number].handle.id);
                          seen.emplace_back(as_text(plain));
                          return {};
                        })
              .has_value());
  CHECK(world.store.calls() == 1);
  std::sort(seen.begin(), seen.end());
  std::sort(texts.begin(), texts.end());
  CHECK(seen == texts);
}
