// A synthetic full that dies at any store call: the base before it stays whole, nothing half-made
// shows, and the next run gives what an undisturbed one gives.
#include "doubles/exported_bases.hpp"
#include "doubles/synthetic_world.hpp"

using namespace holdfast;
using holdfast::test::check_bases;
using holdfast::test::DatabaseModel;
using holdfast::test::MemoryRepository;
using holdfast::test::SyntheticWorld;

namespace {

void crash_everywhere(store::Torn torn, std::uint64_t seed) {
  DatabaseModel model;
  model.create("shop.orders", 'A');
  for (std::int64_t id = 0; id < 60; ++id)
    model.insert("shop.orders", DatabaseModel::document(id, 0, 30'000));
  DatabaseModel later = model;
  later.update("shop.orders", 30, 5);
  later.create("shop.new", 'N');
  later.insert("shop.new", DatabaseModel::document(1, 1, 100));

  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    CAPTURE(call);
    SyntheticWorld world(seed + call);
    world.options.writer.data_pack_bytes = 40'000;
    world.options.writer.tree_pack_bytes = 10'000;
    world.import_base(model);
    world.record(later);
    store::FaultScript script;
    script.crash_at_call = call;
    script.torn = torn;
    REQUIRE(world.memory.store.reopen(script).has_value());
    const auto crashed = world.try_synthetic_from_open();
    finished = crashed.has_value() && !world.memory.store.crashed();
    REQUIRE(world.memory.store.reopen().has_value());
    const std::size_t published = check_bases(world.memory);
    if (crashed.has_value()) CHECK(published == 2);

    const auto next = world.synthetic();
    if (published == 1) REQUIRE(next.snapshot);
    CHECK(check_bases(world.memory) == 2);
    if (next.snapshot) world.compare_with_real(later, *next.snapshot);
    REQUIRE(call < 500);
  }
}

}  // namespace

TEST_CASE("a synthetic full that dies at any store call hurts nothing") {
  crash_everywhere(store::Torn::no, 300);
}

TEST_CASE("a synthetic full that dies at any store call with torn writes hurts nothing") {
  crash_everywhere(store::Torn::yes, 400);
}
