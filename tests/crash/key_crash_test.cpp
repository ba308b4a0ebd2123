// Changing keys and dying at any store call: some password always opens the repository.
#include "doubles/memory_repository.hpp"
#include "doubles/restic_check.hpp"

using namespace holdfast;
using holdfast::test::MemoryRepository;

namespace {

const repo::KeyOptions cheap({}, test::test_scrypt_cost);

bool opens_with(MemoryRepository& world, std::string_view password) {
  return repo::Repository::open(world.context, world.store, Secret(as_bytes(password))).has_value();
}

Result<void> change_to(MemoryRepository& world, std::string_view password) {
  const auto opened = TRY(repo::open_with_password(world.context, world.store, world.password));
  TRY(repo::change_password(world.context, world.store, opened, Secret(as_bytes(password)), cheap));
  return {};
}

}  // namespace

TEST_CASE("a change of the password that dies at any store call locks nobody out") {
  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    CAPTURE(call);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      MemoryRepository world(seed);
      REQUIRE(world.store.reopen({.crash_at_call = call, .torn = store::Torn::yes}).has_value());
      const auto changed = change_to(world, "new");
      finished = !world.store.crashed();
      REQUIRE(world.store.reopen().has_value());
      const bool by_old = opens_with(world, "test");
      const bool by_new = opens_with(world, "new");
      CHECK((by_old || by_new));
      if (changed.has_value()) CHECK(by_new);
      if (by_old) CHECK(change_to(world, "new").has_value());  // the next run, unattended
      CHECK(opens_with(world, "new"));
      if (by_old) CHECK(!opens_with(world, "test"));
    }
    REQUIRE(call < 100);
  }
}

TEST_CASE("a key that is added or removed and dies at any store call keeps the others") {
  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    CAPTURE(call);
    MemoryRepository world(call);
    REQUIRE(world.store.reopen({.crash_at_call = call, .torn = store::Torn::yes}).has_value());
    const auto work = [&]() -> Result<void> {
      const auto opened = TRY(repo::open_with_password(world.context, world.store, world.password));
      const auto added = TRY(repo::add_key(world.context, world.store, opened.master,
                                           Secret(as_bytes("second")), cheap));
      return repo::remove_key(world.store, added, opened.id);
    };
    const auto worked = work();
    finished = worked.has_value() && !world.store.crashed();
    REQUIRE(world.store.reopen().has_value());
    CHECK(opens_with(world, "test"));
    REQUIRE(call < 100);
  }
}

TEST_CASE("after a change of the password restic opens the repository with the new one") {
  if (!test::has_restic()) return;
  MemoryRepository world;
  REQUIRE(change_to(world, "new").has_value());
  test::check_with_restic(world.store, "new");
}
