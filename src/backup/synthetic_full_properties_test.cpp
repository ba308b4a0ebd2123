// Random histories of several rounds: each synthetic full has the very tree of a full backup of the
// same state, whatever was changed, in documents of all sizes.
#include <doctest/doctest.h>

#include "base/rng.hpp"
#include "doubles/synthetic_world.hpp"

namespace holdfast::backup {
namespace {

using test::DatabaseModel;
using test::SyntheticWorld;

class RandomStory {
 public:
  explicit RandomStory(std::uint64_t seed) : rng_(seed) {
    model.create("shop.orders", 'A');
    model.create("shop.items", 'B');
    model.create("shop.log", 'L', R"({"capped":true,"size":1000000000})");
    const std::uint64_t count = 50 + rng_.below(200);
    for (std::uint64_t number = 0; number < count; ++number) insert("shop.orders");
    for (std::uint64_t number = 0; number < 30; ++number) insert("shop.items");
    for (int number = 0; number < 5; ++number) log();
  }

  DatabaseModel model;

  // Few rounds change everything, most change a little.
  void play() {
    const std::uint64_t changes = rng_.below(4) == 0 ? 200 : 1 + rng_.below(12);
    for (std::uint64_t number = 0; number < changes; ++number) change();
    model.noop();
  }

 private:
  std::string any_collection() {
    std::vector<std::string> names;
    for (const auto& [ns, collection] : model.collections) {
      if (!collection.is_capped()) names.push_back(ns);
    }
    return names[rng_.below(names.size())];
  }
  std::string any_collection_but(const std::string& other) {
    const std::string ns = any_collection();
    return ns == other ? "shop.x" + std::to_string(made_) : ns;
  }
  std::size_t any_pad() {
    switch (rng_.below(12)) {
      case 0:
        return 700'000 + rng_.below(200'000);  // nearly always ends its chunk
      case 1:
      case 2:
        return 60'000 + rng_.below(100'000);
      default:
        return rng_.below(30'000);
    }
  }
  std::int64_t any_id() { return static_cast<std::int64_t>(rng_.below(1'000'000)) - 1000; }
  std::optional<std::int64_t> existing_id(const std::string& ns) {
    const auto& documents = model.collections.at(ns).documents;
    if (documents.empty()) return std::nullopt;
    const auto found =
        std::next(documents.begin(), static_cast<std::ptrdiff_t>(rng_.below(documents.size())));
    return bson::Document::trusted(found->second).find("_id")->as_integer();
  }

  void insert(const std::string& ns) {
    const std::int64_t id = any_id();
    const auto& documents = model.collections.at(ns).documents;
    const Bytes probe = test::json(DatabaseModel::document(id, 0, 0));
    const bool is_taken =
        documents.contains(bson::key_of(*bson::Document::trusted(probe).find("_id")));
    if (!is_taken) model.insert(ns, DatabaseModel::document(id, 0, any_pad()));
  }
  void log() {
    model.insert("shop.log", DatabaseModel::document(1'000'000 - ++logged_, 0, any_pad()));
  }
  void change() {
    const std::string ns = any_collection();
    const auto id = existing_id(ns);
    const std::uint64_t what = rng_.below(20);
    if (what < 5) return insert(ns);
    if (what < 9 && id) return model.update(ns, *id, static_cast<std::int64_t>(rng_.below(100)));
    if (what < 12 && id) return model.replace(ns, *id, DatabaseModel::document(*id, 1, any_pad()));
    if (what < 16 && id) return model.remove(ns, *id);
    if (what == 16) return log();
    if (what == 17) return change_catalog(ns);
    if (id)
      model.in_transaction([&] {
        model.update(ns, *id, 5);
        model.remove(ns, *id);
      });
  }
  void change_catalog(const std::string& ns) {
    const std::string fresh = "shop.c" + std::to_string(++made_);
    switch (rng_.below(4)) {
      case 0:
        model.create(fresh, static_cast<char>('a' + made_));
        return insert(fresh);
      case 1:
        return model.rename(ns, rng_.below(2) == 0 ? fresh : any_collection_but(ns));
      case 2:
        if (model.collections.size() > 3) model.drop(ns);
        return;
      default:
        model.create_index(ns, "f" + std::to_string(made_));
    }
  }

  SeededRng rng_;
  std::int64_t logged_ = 0;
  int made_ = 0;
};

TEST_CASE("after any history a synthetic full is what a full backup stores") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    RandomStory story(seed);
    SyntheticWorld world(seed);
    world.options.memory_bytes_max = seed % 2 == 0 ? (8 << 20) : (64 << 10);
    world.import_base(story.model);
    for (int round = 0; round < 3; ++round) {
      story.play();
      world.record(story.model);
      const auto result = world.synthetic();
      REQUIRE(result.snapshot);
      world.compare_with_real(story.model, *result.snapshot);
      world.forget_last();
    }
  }
}

}  // namespace
}  // namespace holdfast::backup
