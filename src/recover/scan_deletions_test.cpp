#include "recover/scan_deletions.hpp"

#include <doctest/doctest.h>

#include "doubles/recorded_dataset.hpp"
#include "doubles/scratch_directory.hpp"

namespace holdfast::recover {
namespace {

using test::DatabaseModel;
using test::RecordedDataset;

// Entries of the model stand at seconds 1, 2, … of 1970; the world's clock is set behind them.
struct Scene {
  DatabaseModel model;
  RecordedDataset world;
  test::ScratchDirectory scratch;

  Scene() {
    model.create("shop.orders", 'A');
    for (std::int64_t id = 0; id < 200; ++id)
      model.insert("shop.orders", DatabaseModel::document(id, 0, 10));
    world.add_base(model);
    record();
  }

  void record() {
    world.record(model.entries, recorded_);
    recorded_ = model.entries.size();
  }
  ScanDeletionsOptions options() {
    ScanDeletionsOptions options;
    options.dataset = "shop";
    options.temp_directory = scratch.path();
    options.repository_words = {"-r", "/backups/my repo", "--password-file", "it's"};
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        world.memory.clock.now().time_since_epoch());
    options.since = now - std::chrono::seconds(210);
    return options;
  }
  Result<ScanDeletionsResult> scan(const ScanDeletionsOptions& options) {
    auto repository = world.memory.open();
    return scan_deletions(repository, options);
  }

 private:
  std::size_t recorded_ = 0;
};

TEST_CASE("a mass deletion is found with its share and the command that brings it back") {
  Scene scene;
  for (int count = 0; count < 20; ++count) scene.model.noop();
  const auto before = scene.model.now();
  for (std::int64_t id = 50; id < 150; ++id) scene.model.remove("shop.orders", id);
  for (std::int64_t id = 1000; id < 1010; ++id)
    scene.model.insert("shop.orders", DatabaseModel::document(id, 0, 10));
  scene.record();
  auto options = scene.options();
  options.span = std::chrono::seconds(200);
  const auto result = scene.scan(options);
  REQUIRE(result.has_value());
  REQUIRE(result->found.size() == 1);
  const auto& found = result->found[0];
  CHECK(found.change.count == 100);
  CHECK(found.collection_count == 200);
  CHECK(found.share == 0.5);
  CHECK(found.why_not.empty());
  CHECK(found.restore_command ==
        "holdfast restore -r '/backups/my repo' --password-file 'it'\\''s' --dataset shop --at " +
            std::to_string(before) + ",1 --to 'mongodb://HOST' --only shop.orders --missing-only");
  CHECK(result->notes.empty());
}

TEST_CASE("a rewrite is brought back by changed documents only") {
  Scene scene;
  scene.model.noop();
  for (std::int64_t id = 0; id < 100; ++id) scene.model.update("shop.orders", id, 66);
  scene.record();
  auto options = scene.options();
  options.span = std::chrono::seconds(200);
  const auto result = scene.scan(options);
  REQUIRE(result.has_value());
  REQUIRE(result->found.size() == 1);
  CHECK(result->found[0].change.shape == "set v");
  CHECK(result->found[0].restore_command.ends_with("--only shop.orders --changed-only"));
}

TEST_CASE("only collections that were chosen are shown") {
  Scene scene;
  for (int count = 0; count < 20; ++count) scene.model.noop();
  scene.model.drop("shop.orders");
  scene.record();
  auto options = scene.options();
  options.only = {"shop.items"};
  CHECK(scene.scan(options)->found.empty());
  options.only = {"shop.orders"};
  const auto result = scene.scan(options);
  REQUIRE(result->found.size() == 1);
  CHECK(result->found[0].change.kind == oplog::MassKind::drop);
}

TEST_CASE("when nothing is recorded in that time, that is what it says") {
  Scene scene;
  auto options = scene.options();
  options.since = std::chrono::hours(2);
  const auto result = scene.scan(options);
  REQUIRE(result.has_value());
  CHECK(result->found.empty());
  CHECK_FALSE(result->first_entry);
  CHECK(result->segment_count == 0);
  REQUIRE(result->notes.size() == 1);
  CHECK(result->notes[0].find("nothing is recorded since") == 0);
  CHECK(result->notes[0].find("the newest recorded entry is") != std::string::npos);
}

TEST_CASE("a hole in the recorded oplog is told") {
  Scene scene;
  for (int count = 0; count < 30; ++count) scene.model.noop();
  scene.world.record(scene.model.entries, scene.model.entries.size() - 5,
                     RecordedDataset::Join::after_gap);
  const auto result = scene.scan(scene.options());
  REQUIRE(result.has_value());
  REQUIRE(result->notes.size() == 1);
  CHECK(result->notes[0].find("nothing is recorded between") == 0);
}

TEST_CASE("an unknown dataset and senseless thresholds are refused") {
  Scene scene;
  auto options = scene.options();
  options.dataset = "none";
  CHECK(scene.scan(options).error().code == ErrorCode::not_found);
  options = scene.options();
  options.count_min = 0;
  CHECK(scene.scan(options).error().code == ErrorCode::usage);
}

}  // namespace
}  // namespace holdfast::recover
