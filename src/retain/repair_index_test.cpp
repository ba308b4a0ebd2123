#include "retain/repair_index.hpp"

#include <doctest/doctest.h>

#include "doubles/memory_repository.hpp"
#include "doubles/sample_snapshot.hpp"
#include "repo/layout.hpp"
#include "retain/used_blobs.hpp"

namespace holdfast::retain {
namespace {

struct World : test::MemoryRepository {
  World() {
    repo::WriterOptions options;
    options.data_pack_bytes = 32 * 1024;
    for (int round = 0; round < 2; ++round) {
      auto repository = open();
      const auto saved = test::save_sample(repository, test::make_sample_files(rng, 8), options);
      REQUIRE_MESSAGE(saved.has_value(), describe_failure(saved));
      clock.advance(std::chrono::hours(1));
    }
  }
  RepairedIndex repair(ReadHeaders read_headers = ReadHeaders::where_needed) {
    auto repository = open();
    repo::LockOptions options;
    options.role = repo::LockRole::exclusive;
    options.program = "holdfast 0.1.0 repair";
    options.heartbeat = repo::LockOptions::Heartbeat::manual;
    const auto lock = repo::Lock::take(repository, options).value();
    auto repaired = repair_index(repository, lock, read_headers);
    REQUIRE_MESSAGE(repaired.has_value(), describe_failure(repaired));
    return std::move(*repaired);
  }
  void check_whole() {
    const auto repository = open_indexed();
    const auto snapshots = repository.snapshots().value();
    CHECK(snapshots.size() == 2);
    const auto used = find_used_blobs(repository, snapshots);
    CHECK_MESSAGE(used.has_value(), describe_failure(used));
    CHECK(repository.index().loaded_pack_count() == names("data/").size());
  }
};

TEST_CASE("a right index stays as it is") {
  World world;
  const auto before = world.names();
  const auto repaired = world.repair();
  CHECK(repaired.packs_read == 0);
  CHECK(repaired.entries_dropped == 0);
  CHECK(world.names() == before);
}

TEST_CASE("a lost index is made again from the packs alone") {
  World world;
  for (const auto& name : world.names("index/")) REQUIRE(world.store.remove(name).has_value());
  const auto repaired = world.repair();
  CHECK(repaired.packs_read == world.names("data/").size());
  world.check_whole();
}

TEST_CASE("a damaged index file is replaced by what the packs say") {
  World world;
  const auto name = world.names("index/").front();
  auto bytes = world.store.get(name).value();
  bytes[100] ^= 4;
  REQUIRE(world.store.put(name, bytes, store::Durability::immediate).has_value());
  const auto repaired = world.repair();
  CHECK(repaired.index_files_removed == 1);
  CHECK(repaired.packs_read > 0);
  CHECK(world.store.get(name).error().code == ErrorCode::not_found);
  world.check_whole();
}

TEST_CASE("entries of packs that are gone are dropped, the other packs of the file stay listed") {
  World world;
  const auto repository = world.open_indexed();
  const auto snapshots = repository.snapshots().value();
  const auto gone = world.names("data/").front();
  REQUIRE(world.store.remove(gone).has_value());
  CHECK(world.repair().entries_dropped == 1);
  const auto after = world.open_indexed();
  CHECK(after.index().loaded_pack_count() == repository.index().loaded_pack_count() - 1);
}

TEST_CASE("an index that tells another story than the pack is corrected when all are read") {
  World world;
  const auto repository = world.open_indexed();
  // The same blobs and sizes under wrong ids: only the header knows better.
  const auto file = repository.index().index_files().front();
  repo::IndexEncoder encoder;
  const auto json = repository.load_unpacked(file).value();
  REQUIRE(repo::decode_index(json, [&](const repo::IndexedPack& pack) -> Result<void> {
            auto wrong = pack;
            for (auto& blob : wrong.blobs) blob.id.bytes[5] ^= 1;
            encoder.add(wrong);
            return {};
          }).has_value());
  REQUIRE(repository.save_index(encoder.finish(), store::Durability::immediate).has_value());
  REQUIRE(world.store.remove(object_name(file)).has_value());
  CHECK(world.repair().packs_read == 0);
  CHECK(world.repair(ReadHeaders::all).packs_read == world.names("data/").size());
  world.check_whole();
}

TEST_CASE("packs with a damaged header are named and left alone") {
  World world;
  const auto name = world.names("data/").front();
  auto bytes = world.store.get(name).value();
  bytes[bytes.size() - 8] ^= 1;
  REQUIRE(world.store.put(name, bytes, store::Durability::immediate).has_value());
  CHECK(world.repair().unreadable.empty());  // its entry in the index is right
  for (const auto& index : world.names("index/")) REQUIRE(world.store.remove(index).has_value());
  const auto repaired = world.repair();
  REQUIRE(repaired.unreadable.size() == 1);
  CHECK(object_name(repaired.unreadable.front()) == name);
  CHECK(world.store.get(name).has_value());
}

TEST_CASE("a crash at any store call loses nothing that was indexed rightly") {
  for (std::uint64_t crash = 1;; ++crash) {
    World world;
    REQUIRE(world.store.remove(world.names("index/").front()).has_value());
    REQUIRE(world.store.reopen({.crash_at_call = crash}).has_value());
    auto opened = repo::Repository::open(world.context, world.store, world.password);
    bool done = false;
    if (opened.has_value()) {
      repo::LockOptions options;
      options.role = repo::LockRole::exclusive;
      options.program = "holdfast 0.1.0 repair";
      options.heartbeat = repo::LockOptions::Heartbeat::manual;
      options.is_running = [](const repo::LockFile&) { return false; };
      const auto lock = repo::Lock::take(*opened, options);
      done = lock.has_value() && repair_index(*opened, *lock).has_value();
    }
    if (!world.store.crashed()) {
      CHECK(done);
      CHECK(crash > 10);
      break;
    }
    REQUIRE(world.store.reopen().has_value());
    for (const auto& lock : world.names("locks/")) REQUIRE(world.store.remove(lock).has_value());
    world.repair();
    world.check_whole();
  }
}

}  // namespace
}  // namespace holdfast::retain
