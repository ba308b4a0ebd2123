#include "retain/prune.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "doubles/hooked_store.hpp"
#include "doubles/memory_repository.hpp"
#include "doubles/sample_snapshot.hpp"
#include "repo/layout.hpp"

namespace holdfast::retain {
namespace {

using std::chrono::hours;

constexpr PruneOptions keep_last{.policy = {.last = 1}};

// Three backups of one directory that changes; small packs, so that there are several.
struct World : test::MemoryRepository {
  test::HookedStore hooked{store};
  test::SampleFiles files;
  std::vector<repo::SnapshotId> snapshots;
  repo::WriterOptions small_packs;

  World() {
    small_packs.data_pack_bytes = 32 * 1024;
    files = test::make_sample_files(rng, 10);
    for (int round = 0; round < 3; ++round) {
      for (const int changed : {round, round + 3})
        files["shop/part" + std::to_string(changed % 3) + "/file" + std::to_string(changed)] =
            test::make_sample_files(rng, 1).begin()->second + std::to_string(rng.next());
      auto repository = open_hooked();
      snapshots.push_back(save(repository));
      clock.advance(hours(1));
    }
  }
  repo::Repository open_hooked() {
    return std::move(repo::Repository::open(context, hooked, password).value());
  }
  repo::SnapshotId save(repo::Repository& repository) {
    const auto saved = test::save_sample(repository, files, small_packs);
    REQUIRE_MESSAGE(saved.has_value(), describe_failure(saved));
    return *saved;
  }
  repo::LockOptions lock_options(std::string_view boot) {
    repo::LockOptions options;
    options.program = "holdfast 0.1.0 prune";
    options.heartbeat = repo::LockOptions::Heartbeat::manual;
    options.holder = {};
    options.holder.boot_id = boot;
    options.holder.pid_namespace = 1;
    options.is_running = [](const repo::LockFile&) { return true; };
    return options;
  }
  Result<PruneResult> prune_with(const PruneOptions& options = keep_last) {
    auto repository = open_hooked();
    const auto lock = TRY(take_prune_lock(repository, lock_options("pruner")));
    return prune(repository, lock, options);
  }
  PruneResult prune_well(const PruneOptions& options = keep_last) {
    auto result = prune_with(options);
    REQUIRE_MESSAGE(result.has_value(), describe_failure(result));
    return std::move(*result);
  }
  repo::Lock work(const repo::Repository& repository) {
    auto options = lock_options("writer");
    options.program = "holdfast 0.1.0 backup";
    return std::move(repo::Lock::take(repository, options).value());
  }
  repo::LockId restic_works() {
    repo::LockFile file;
    file.time = repo::make_node_time(clock.now());
    file.hostname = "elsewhere";
    return open().save_lock(repo::encode_lock_file(file)).value();
  }

  // Every file of the newest snapshot is what was saved, and every blob is in the index once or
  // more.
  void check_readable() {
    const auto repository = open_indexed();
    const auto stored_snapshots = repository.snapshots().value();
    for (const auto& stored : stored_snapshots) {
      const auto used = find_used_blobs(repository, {&stored, 1});
      REQUIRE_MESSAGE(used.has_value(), describe_failure(used));
    }
    for (const auto& [path, contents] : files)
      CHECK_MESSAGE(read(repository, path) == contents, path);
  }
  std::string read(const repo::Repository& repository, const std::string& path) {
    const auto newest = repository.find_snapshot("latest").value();
    auto tree = newest.snapshot.tree;
    for (std::size_t at = 0;;) {
      const auto slash = path.find('/', at);
      const auto name = path.substr(at, slash - at);
      const auto nodes = repository.load_tree(tree).value();
      const auto node = std::ranges::find(nodes, name, &repo::Node::name);
      REQUIRE(node != nodes.end());
      if (slash != std::string::npos) {
        tree = *node->subtree;
        at = slash + 1;
        continue;
      }
      std::string contents;
      for (const auto& id : node->content)
        contents += as_text(repository.load_blob({repo::BlobType::data, id}).value());
      return contents;
    }
  }
  // How many blobs the index has that no snapshot needs.
  std::uint64_t unused_blobs() {
    const auto repository = open_indexed();
    const auto stored_snapshots = repository.snapshots().value();
    const auto used = find_used_blobs(repository, stored_snapshots).value();
    std::uint64_t unused = 0;
    for (const auto& pack : tally_packs(repository.index(), used).packs)
      unused += pack.unused_blobs;
    return unused;
  }
};

TEST_CASE("with nothing to remove nothing is written") {
  World world;
  const auto before = world.names();
  const auto result = world.prune_well({});
  CHECK(result.snapshots_removed == 0);
  CHECK(result.plan.packs.plans.empty());
  CHECK(world.names() == before);
}

TEST_CASE("a plan changes nothing and says for each snapshot why") {
  World world;
  const auto before = world.names();
  {
    auto repository = world.open();
    const auto lock = take_prune_lock(repository, world.lock_options("pruner")).value();
    const auto plan = plan_prune(repository, lock, keep_last).value();
    REQUIRE(plan.snapshots.size() == 3);
    CHECK(plan.snapshots[0].reasons == std::vector<std::string>{"last snapshot"});
    CHECK(plan.snapshots[1].fate == Fate::remove);
    CHECK(!plan.packs.plans.empty());
    CHECK(plan.packs.bytes_to_free > 0);
  }
  CHECK(world.names() == before);
}

TEST_CASE("alone at work, a prune leaves exactly what the kept snapshots need") {
  World world;
  const auto bytes_before = world.names("data/").size();
  CHECK(world.unused_blobs() == 0);
  const auto result = world.prune_well({.policy = {.last = 1}, .unused_percent_max = 0});
  CHECK(result.snapshots_removed == 2);
  CHECK(result.packs_removed > 0);
  CHECK(result.packs_marked == 0);
  CHECK(result.bytes_moved > 0);
  CHECK(world.unused_blobs() == 0);
  CHECK(world.names("snapshots/").size() == 1);
  CHECK(world.names("data/").size() <= bytes_before);
  const auto repository = world.open_indexed();
  CHECK(world.names("data/").size() == repository.index().loaded_pack_count());
  world.check_readable();
}

TEST_CASE("left-overs of interrupted runs are removed") {
  World world;
  const std::string left = "data/aa/" + std::string(64, 'a');
  REQUIRE(world.store.put(left, as_bytes("half a pack"), store::Durability::immediate).has_value());
  world.prune_well({});
  CHECK(world.store.get(left).error().code == ErrorCode::not_found);
}

TEST_CASE("while a writer is at work packs are marked, not deleted, and young ones left alone") {
  World world;
  const auto writer_repository = world.open_indexed();
  auto writer = std::make_optional(world.work(writer_repository));
  const std::string left = "data/aa/" + std::string(64, 'a');
  REQUIRE(
      world.store.put(left, as_bytes("being written"), store::Durability::immediate).has_value());
  CHECK(world.prune_well().plan.packs.packs_kept > 0);  // all are young
  CHECK(world.store.get(left).has_value());

  world.clock.advance(hours(25));
  REQUIRE(writer->renew().has_value());
  const auto marking = world.prune_well({.policy = {.last = 1}, .unused_percent_max = 0});
  CHECK(marking.packs_removed == 1);  // the left-over, by now
  CHECK(marking.packs_marked > 0);
  world.check_readable();

  REQUIRE(writer->renew().has_value());
  const auto waiting = world.prune_well();
  CHECK(waiting.packs_removed == 0);
  writer.reset();
  const auto deleting = world.prune_well();
  CHECK(deleting.packs_removed == marking.packs_marked);
  CHECK(world.unused_blobs() == 0);
  world.check_readable();
}

TEST_CASE("a writer that began after the mark does not keep a marked pack alive") {
  World world;
  auto old_repository = world.open_indexed();
  auto old_writer = std::make_optional(world.work(old_repository));
  world.clock.advance(hours(25));
  REQUIRE(old_writer->renew().has_value());
  const auto marking = world.prune_well();
  REQUIRE(marking.packs_marked > 0);
  old_writer.reset();
  world.clock.advance(hours(1));
  const auto new_repository = world.open_indexed();
  const auto new_writer = world.work(new_repository);
  CHECK(world.prune_well().packs_removed == marking.packs_marked);
}

TEST_CASE("a writer that used blobs of a pack marked meanwhile brings it back") {
  World world;
  auto old_files = world.files;
  auto repository = world.open_indexed();
  std::optional<repo::Lock> lock = world.work(repository);
  auto writer = repo::Writer::make(repository, world.small_packs).value();
  test::SampleSaver saver(writer);
  // The oldest snapshot's tree, all of it known already.
  const auto oldest = repository.load_snapshot(world.snapshots[0]).value().snapshot.tree;
  const auto reuse_all = [&](auto&& self, const repo::BlobId& tree) -> void {
    CHECK(writer.reuse({repo::BlobType::tree, tree}).value());
    const auto nodes = repository.load_tree(tree).value();
    for (const auto& node : nodes) {
      for (const auto& id : node.content) CHECK(writer.reuse({repo::BlobType::data, id}).value());
      if (node.subtree) self(self, *node.subtree);
    }
  };
  reuse_all(reuse_all, oldest);

  world.clock.advance(hours(25));
  REQUIRE(lock->renew().has_value());
  const auto marking = world.prune_well({.policy = {.last = 1}, .unused_percent_max = 0});
  CHECK(marking.packs_marked > 0);

  repo::Snapshot snapshot;
  snapshot.time = repo::make_node_time(world.clock.now());
  snapshot.tree = oldest;
  snapshot.paths = {"/old"};
  REQUIRE(writer.publish_snapshot(snapshot).has_value());
  CHECK(world.log.mentions("packs are brought back"));
  lock.reset();

  const auto after = world.prune_well({});
  CHECK(after.snapshots_removed == 0);
  const auto now = world.open_indexed();
  const auto snapshots = now.snapshots().value();
  CHECK(find_used_blobs(now, snapshots).has_value());
  CHECK(world.unused_blobs() == 0);
}

TEST_CASE("a snapshot published between the plan and the mark keeps what it needs") {
  World world;
  const auto oldest = world.open().load_snapshot(world.snapshots[0]).value().snapshot;
  bool published = false;
  // The last moment: the marks are stored, the old index files are about to go.
  world.hooked.before_remove = [&](std::string_view name) {
    if (published || !name.starts_with("index/")) return;
    published = true;
    auto late = oldest;
    late.paths = {"/late"};
    REQUIRE(world.open().publish_snapshot(late).has_value());
  };
  const auto result = world.prune_well({.policy = {.last = 1}, .unused_percent_max = 0});
  CHECK(published);
  CHECK(result.packs_brought_back > 0);
  world.hooked.before_remove = nullptr;
  const auto now = world.open_indexed();
  const auto snapshots = now.snapshots().value();
  CHECK(snapshots.size() == 2);
  CHECK(find_used_blobs(now, snapshots).has_value());
  for (std::uint32_t number = 0; number < now.index().loaded_pack_count(); ++number)
    CHECK(now.index().pack(number).state == repo::PackState::live);
}

TEST_CASE("while restic is at work only snapshots are removed, and that is said") {
  World world;
  const auto packs = world.names("data/");
  const auto lock = world.restic_works();
  const auto result = world.prune_well();
  CHECK(result.plan.restic_at_work);
  CHECK(result.snapshots_removed == 2);
  CHECK(world.names("data/") == packs);
  CHECK(world.log.mentions("restic is at work"));
  REQUIRE(world.store.remove(object_name(lock)).has_value());
  CHECK(world.prune_well().packs_removed > 0);
  world.check_readable();
}

TEST_CASE("two prunes do not run at the same time") {
  World world;
  auto repository = world.open();
  const auto held = take_prune_lock(repository, world.lock_options("other")).value();
  CHECK(world.prune_with().error().code == ErrorCode::locked);
}

TEST_CASE("what is needed but damaged or missing stops the prune before anything is deleted") {
  World world;
  const auto repository = world.open_indexed();
  const auto newest = repository.find_snapshot("latest").value();
  const auto place =
      repository.index().find_live({repo::BlobType::tree, newest.snapshot.tree}).value().blob;
  const auto pack = object_name(repository.index().pack(place.pack).id);
  auto bytes = world.store.get(pack).value();

  SUBCASE("a tree is damaged") {
    bytes[place.offset + 20] ^= 1;
    REQUIRE(world.store.put(pack, bytes, store::Durability::immediate).has_value());
  }
  SUBCASE("a pack is gone") {
    REQUIRE(world.store.remove(pack).has_value());
  }
  SUBCASE("a pack is cut short") {
    bytes.pop_back();
    REQUIRE(world.store.put(pack, bytes, store::Durability::immediate).has_value());
  }
  SUBCASE("an index file is gone") {
    for (const auto& name : world.names("index/")) REQUIRE(world.store.remove(name).has_value());
  }
  SUBCASE("an index file is damaged") {
    REQUIRE(world.store
                .put(world.names("index/").front(), as_bytes("noise"), store::Durability::immediate)
                .has_value());
  }
  SUBCASE("a snapshot is damaged") {
    REQUIRE(world.store
                .put("snapshots/" + std::string(64, 'b'), as_bytes("noise"),
                     store::Durability::immediate)
                .has_value());
  }
  const auto before = world.names();
  const auto result = world.prune_with();
  REQUIRE(!result.has_value());
  CHECK(result.error().code == ErrorCode::corrupt);
  CHECK(world.names() == before);
}

TEST_CASE("a damaged blob that has to move stops the prune before packs are deleted") {
  World world;
  const auto packs = world.names("data/");
  auto repository = world.open_indexed();
  // The first chunk of a file that all snapshots share.
  const auto first = as_bytes(world.files["shop/orders.bson"]).first(test::sample_chunk_bytes);
  const auto place = repository.index()
                         .find_live({repo::BlobType::data, repo::BlobId{repo::sha256(first)}})
                         .value()
                         .blob;
  const auto pack = object_name(repository.index().pack(place.pack).id);
  auto bytes = world.store.get(pack).value();
  bytes[place.offset + 20] ^= 1;
  REQUIRE(world.store.put(pack, bytes, store::Durability::immediate).has_value());
  const auto result = world.prune_with({.policy = {.last = 1}, .unused_percent_max = 0});
  REQUIRE(!result.has_value());
  CHECK(result.error().code == ErrorCode::corrupt);
  for (const auto& name : packs) CHECK(world.store.stat(name).has_value());
}

TEST_CASE("a policy that would keep nothing of a group is refused") {
  World world;
  PruneOptions options;
  options.policy.tags = {{"no such tag"}};
  CHECK(world.prune_with(options).error().code == ErrorCode::refused);
  CHECK(world.names("snapshots/").size() == 3);
  options.remove_all = PruneOptions::RemoveAll::allow;
  CHECK(world.prune_well(options).snapshots_removed == 3);
  CHECK(world.names("data/").empty());
  CHECK(world.names("snapshots/").empty());
}

TEST_CASE("a prune that lost its lock deletes nothing more") {
  World world;
  const auto packs = world.names("data/");
  world.hooked.before_remove = [&](std::string_view name) {
    if (!name.starts_with("snapshots/")) return;
    world.clock.advance(repo::lock_held_max);  // and somebody took us for dead
    for (const auto& lock : world.names("locks/")) CHECK(world.store.remove(lock).has_value());
  };
  CHECK(world.prune_with().error().code == ErrorCode::locked);
  for (const auto& name : packs) CHECK(world.store.stat(name).has_value());
}

TEST_CASE("many small index files become few") {
  World world;
  for (int round = 0; round < 20; ++round) {
    world.files["shop/more" + std::to_string(round)] = std::to_string(round);
    auto repository = world.open();
    world.save(repository);
    world.clock.advance(std::chrono::minutes(1));
  }
  CHECK(world.names("index/").size() >= 20);
  world.prune_well({});
  CHECK(world.names("index/").size() <= 2);
  world.check_readable();
}

}  // namespace
}  // namespace holdfast::retain
