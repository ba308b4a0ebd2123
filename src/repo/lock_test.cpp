#include "repo/lock.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "doubles/memory_repository.hpp"
#include "repo/layout.hpp"
#include "repo/lock_survey.hpp"

namespace holdfast::repo {
namespace {

using std::chrono::seconds;

Holder holder_on(std::string_view boot, std::int64_t pid) {
  Holder holder;
  holder.hostname = "host";
  holder.username = "user";
  holder.pid = pid;
  holder.boot_id = boot;
  holder.pid_namespace = 1;
  return holder;
}

struct World : test::MemoryRepository {
  Repository repository = open();
  bool processes_run = true;

  LockOptions options(LockRole role, std::string_view boot = "here") {
    LockOptions wanted;
    wanted.role = role;
    wanted.program = role == LockRole::prune ? "holdfast 0.1.0 prune" : "holdfast 0.1.0 backup";
    wanted.heartbeat = LockOptions::Heartbeat::manual;
    wanted.holder = holder_on(boot, 7);
    wanted.is_running = [this](const LockFile&) { return processes_run; };
    return wanted;
  }
  Result<Lock> take(LockRole role, std::string_view boot = "here") {
    return Lock::take(repository, options(role, boot));
  }
  // A lock file nobody renews: of ours with a boot id, of restic without.
  LockId leave_behind(LockKind kind, std::string_view boot, Duration age = {}) {
    LockFile file;
    file.time = make_node_time(clock.now() - age);
    file.kind = kind;
    file.hostname = "other";
    file.pid = 99;
    if (!boot.empty()) {
      file.program = "holdfast 0.1.0 backup";
      file.boot_id = boot;
      file.pid_ns = 1;
      file.started = file.time;
    }
    return repository.save_lock(encode_lock_file(file)).value();
  }
  std::size_t lock_count() { return names("locks/").size(); }
};

ErrorCode code_of(const Result<Lock>& taken) {
  REQUIRE(!taken.has_value());
  return taken.error().code;
}

TEST_CASE("a lock is one file while it is held, and none afterwards") {
  World world;
  {
    const auto lock = world.take(LockRole::shared);
    REQUIRE(lock.has_value());
    CHECK(world.lock_count() == 1);
    CHECK(lock->still_held());
  }
  CHECK(world.lock_count() == 0);
}

TEST_CASE("which of our locks go together") {
  const LockRole roles[] = {LockRole::shared, LockRole::prune, LockRole::exclusive};
  const bool together[3][3] = {{true, true, false}, {true, false, false}, {false, false, false}};
  for (int first = 0; first < 3; ++first) {
    for (int second = 0; second < 3; ++second) {
      World world;
      const auto held = world.take(roles[first]);
      REQUIRE(held.has_value());
      const auto taken = world.take(roles[second]);
      CAPTURE(first);
      CAPTURE(second);
      CHECK(taken.has_value() == together[first][second]);
      if (!taken.has_value()) CHECK(taken.error().code == ErrorCode::locked);
      CHECK(world.lock_count() == (taken.has_value() ? 2 : 1));
    }
  }
}

TEST_CASE("locks of restic: shared ones stop prune and exclusive, exclusive ones stop all") {
  World world;
  world.leave_behind(LockKind::shared, "");
  CHECK(world.take(LockRole::shared).has_value());
  CHECK(code_of(world.take(LockRole::prune)) == ErrorCode::locked);
  CHECK(code_of(world.take(LockRole::exclusive)) == ErrorCode::locked);
  world.leave_behind(LockKind::exclusive, "");
  CHECK(code_of(world.take(LockRole::shared)) == ErrorCode::locked);
}

TEST_CASE("a lock of restic is taken over, with a warning, when nobody renewed it for 30 minutes") {
  World world;
  world.leave_behind(LockKind::exclusive, "");
  world.clock.advance(foreign_lock_dead_after - seconds(1));
  CHECK(code_of(world.take(LockRole::shared)) == ErrorCode::locked);
  world.clock.advance(seconds(1));
  CHECK(world.take(LockRole::shared).has_value());
  CHECK(world.log.mentions("removed a lock whose holder is gone: a lock of restic"));
  CHECK(world.lock_count() == 0);
}

TEST_CASE("a lock whose process is gone blocks nobody, and is removed at once") {
  World world;
  world.leave_behind(LockKind::exclusive, "here");
  CHECK(code_of(world.take(LockRole::shared)) == ErrorCode::locked);
  world.processes_run = false;
  const auto before = world.clock.monotonic();
  CHECK(world.take(LockRole::shared).has_value());
  CHECK(world.clock.monotonic() - before < seconds(1));
  CHECK(world.log.mentions("removed a lock whose holder is gone"));
}

TEST_CASE("a crashed holder on another machine is taken over after 90 seconds of silence") {
  World world;
  world.leave_behind(LockKind::exclusive, "elsewhere");
  world.processes_run = false;  // says nothing about other machines
  CHECK(code_of(world.take(LockRole::exclusive)) == ErrorCode::locked);
  world.clock.advance(lock_dead_after);
  const auto before = world.clock.monotonic();
  CHECK(world.take(LockRole::exclusive).has_value());
  CHECK(world.clock.monotonic() - before <= lock_dead_after + seconds(6));
}

TEST_CASE("a holder whose clock is wrong is not taken over while it renews") {
  World world;
  auto options = world.options(LockRole::exclusive, "elsewhere");
  options.wait = std::chrono::minutes(10);
  LockId old = world.leave_behind(LockKind::exclusive, "skewed", std::chrono::hours(2));
  // The store's clock says that the lock is young: it is believed.
  world.clock.advance(seconds(80));
  CHECK(code_of(world.take(LockRole::exclusive)) == ErrorCode::locked);
  // Even if both look old, a new file in place of the old one shows that somebody is alive.
  SimClock other(world.clock.now());
  const LockId renewed = world.leave_behind(LockKind::exclusive, "skewed", std::chrono::hours(2));
  CHECK(renewed != old);
}

TEST_CASE("a lock from the future is watched before it is taken over") {
  World world;
  world.leave_behind(LockKind::exclusive, "elsewhere", -std::chrono::hours(3));
  const auto before = world.clock.monotonic();
  CHECK(world.take(LockRole::exclusive).has_value());
  CHECK(world.clock.monotonic() - before >= lock_dead_after);
  CHECK(world.log.mentions("watching whether its holder is alive"));
}

TEST_CASE("renewal changes the file, keeps the start, and there is one file again") {
  World world;
  auto lock = world.take(LockRole::shared).value();
  const LockId first = lock.id();
  const auto started = world.clock.now();
  world.clock.advance(lock_renewal_interval);
  REQUIRE(lock.renew().has_value());
  CHECK(lock.id() != first);
  CHECK(world.lock_count() == 1);
  const auto file = decode_lock_file(world.repository.load_unpacked(lock.id()).value()).value();
  CHECK(to_wall_time(file.time) == world.clock.now());
  CHECK(started - to_wall_time(*file.started) < seconds(1));
}

TEST_CASE("the holder knows after 75 seconds without renewal, and may come back") {
  World world;
  auto lock = world.take(LockRole::shared).value();
  world.clock.advance(lock_held_max - seconds(1));
  CHECK(lock.still_held());
  world.clock.advance(seconds(1));
  CHECK(!lock.still_held());
  CHECK(lock.check_held().has_value());  // nobody took it
  CHECK(lock.still_held());
}

TEST_CASE("a holder whose lock was removed has lost it for good") {
  World world;
  auto lock = world.take(LockRole::shared).value();
  REQUIRE(world.store.remove(object_name(lock.id())).has_value());
  CHECK(lock.renew().error().code == ErrorCode::locked);
  CHECK(!lock.still_held());
  CHECK(lock.check_held().error().code == ErrorCode::locked);
  CHECK(lock.renew().error().code == ErrorCode::locked);
  CHECK(world.lock_count() == 0);
}

TEST_CASE("without its lock a repository writes no index file and no snapshot any more") {
  World world;
  auto lock = world.take(LockRole::shared).value();
  const auto index = [&] {
    return world.repository.save_index(as_bytes("{\"packs\":[]}\n"), store::Durability::immediate);
  };
  CHECK(index().has_value());
  world.clock.advance(std::chrono::minutes(10));  // a suspend, in which nobody took the lock away
  CHECK(index().has_value());
  CHECK(lock.still_held());
  REQUIRE(world.store.remove(object_name(lock.id())).has_value());
  world.clock.advance(std::chrono::minutes(10));
  const auto refused = index();
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == ErrorCode::locked);
  Snapshot snapshot;
  snapshot.time = make_node_time(world.clock.now());
  CHECK(world.repository.publish_snapshot(snapshot).error().code == ErrorCode::locked);
  REQUIRE(lock.release().has_value());
  CHECK_MESSAGE(index().has_value(), "nobody guards it any more");
}

TEST_CASE("waiting for a lease: it is taken when the holder is gone, within the span") {
  World world;
  world.leave_behind(LockKind::exclusive, "");
  auto options = world.options(LockRole::shared);
  options.wait = std::chrono::minutes(10);
  CHECK(code_of(Lock::take(world.repository, options)) == ErrorCode::locked);
  CHECK(world.clock.monotonic() >= std::chrono::minutes(10));
  CHECK(world.clock.monotonic() < std::chrono::minutes(11));
  options.wait = std::chrono::minutes(30);  // restic's lock gets too old meanwhile
  CHECK(Lock::take(world.repository, options).has_value());
}

TEST_CASE("of two that come at the same time at most one gets an exclusive lock") {
  World world;
  // The other lock appears between our two looks: at the first listing it is not there yet.
  REQUIRE(world.store.reopen({.listing_lag = std::chrono::milliseconds(100)}).has_value());
  world.leave_behind(LockKind::exclusive, "elsewhere");
  CHECK(code_of(world.take(LockRole::exclusive)) == ErrorCode::locked);
  REQUIRE(world.store.reopen().has_value());
  CHECK(world.lock_count() == 1);
}

TEST_CASE("empty lock files are ignored, unreadable ones are an error until they are old") {
  World world;
  const std::string name = "locks/" + std::string(64, 'a');
  REQUIRE(world.store.put(name, {}, store::Durability::immediate).has_value());
  CHECK(world.take(LockRole::exclusive).has_value());
  REQUIRE(world.store
              .put(name, as_bytes("noise, long enough to be something sealed"),
                   store::Durability::immediate)
              .has_value());
  const auto before = world.clock.monotonic();
  const auto refused = world.take(LockRole::shared);
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == ErrorCode::corrupt);
  CHECK(world.clock.monotonic() - before == seconds(35));
  world.clock.advance(foreign_lock_dead_after);
  CHECK(world.take(LockRole::shared).has_value());
  CHECK(world.log.mentions("it is old and unreadable"));
}

TEST_CASE("others() shows everybody else who may be alive") {
  World world;
  const auto mine = world.take(LockRole::shared).value();
  CHECK(mine.others().value().empty());
  world.leave_behind(LockKind::shared, "");
  world.leave_behind(LockKind::shared, "elsewhere");
  const auto others = mine.others().value();
  REQUIRE(others.size() == 2);
  CHECK(others[0].is_ours() != others[1].is_ours());
}

TEST_CASE("the heartbeat thread renews by the clock and stops with the lock") {
  World world;
  auto options = world.options(LockRole::shared);
  options.heartbeat = LockOptions::Heartbeat::thread;
  auto lock = Lock::take(world.repository, options).value();
  const LockId first = lock.id();
  world.clock.advance(lock_renewal_interval);
  for (int i = 0; i < 500 && lock.id() == first; ++i)
    SystemClock().sleep_for(std::chrono::milliseconds(20));
  CHECK(lock.id() != first);
  CHECK(lock.release().has_value());
  CHECK(world.lock_count() == 0);
}

TEST_CASE("a process knows itself") {
  const Holder self = this_process();
  CHECK(self.pid == ::getpid());
  CHECK(!self.hostname.empty());
  CHECK(self.pid_started != 0);
  CHECK(is_running(self.pid, self.pid_started));
  CHECK_MESSAGE(!is_running(self.pid, self.pid_started + 1), "the number was given again");
  CHECK(!is_running(-1, 0));
}

}  // namespace
}  // namespace holdfast::repo
