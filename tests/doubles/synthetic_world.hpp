#pragma once
// A repository with one dataset "shop" whose bases and oplog come from a DatabaseModel.
#include "backup/import_mongo.hpp"
#include "backup/synthetic_full.hpp"
#include "catalog/stored_base.hpp"
#include "doubles/database_model.hpp"
#include "doubles/memory_repository.hpp"

namespace holdfast::test {

class SyntheticWorld {
 public:
  enum class Layout : std::uint8_t { recorded, mongodump };

  explicit SyntheticWorld(std::uint64_t seed = 1) : memory(seed) {
    options.dataset = "shop";
    options.temp_directory = scratch_.path();
    options.memory_bytes_max = 8 << 20;
  }

  MemoryRepository memory;
  backup::SyntheticOptions options;

  SimClock& clock() { return memory.clock; }

  // A full backup of the model's state now, and its oplog.
  repo::SnapshotId import_base(const DatabaseModel& model, Layout layout = Layout::recorded) {
    const auto dump = fresh();
    model.write_dump(dump);
    const auto oplog = fresh();
    model.write_oplog(oplog);
    if (layout == Layout::mongodump) {
      std::filesystem::remove(dump / "manifest.json");
      std::filesystem::copy_file(oplog, dump / "oplog.bson");
      return import(dump, std::nullopt);
    }
    return import(dump, oplog);
  }

  // Records what is new in the model's oplog.
  void record(const DatabaseModel& model) { record(model.entries); }
  void record(const std::vector<Bytes>& entries) {
    const auto dump = fresh();
    std::filesystem::create_directories(dump);
    DatabaseModel::write(dump / "oplog.bson", entries);
    import_dump(dump, std::nullopt);
    std::filesystem::remove_all(dump);
  }

  Result<backup::SyntheticResult> try_synthetic() {
    auto repository = memory.open();
    options.time = clock().now();
    return backup::synthetic_full(repository, options);
  }
  // Also where opening the repository fails.
  Result<backup::SyntheticResult> try_synthetic_from_open() {
    auto repository = TRY(repo::Repository::open(memory.context, memory.store, memory.password));
    options.time = clock().now();
    return backup::synthetic_full(repository, options);
  }
  backup::SyntheticResult synthetic() {
    auto result = try_synthetic();
    REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
    return std::move(*result);
  }

  backup::FullDecision decide(const backup::FullPolicy& policy = {}) {
    auto repository = memory.open();
    const auto snapshots = repository.snapshots().value();
    REQUIRE(repository.load_index().has_value());
    const auto points = catalog::MongoPoints::load(repository, snapshots, "shop");
    REQUIRE(points.has_value());
    return backup::decide_full(backup::full_history(*points, snapshots, "shop"), clock().now(),
                               policy);
  }

  // A dump or recorded state; the directory stays.
  repo::SnapshotId import_dump(const std::filesystem::path& dump,
                               const std::optional<std::filesystem::path>& oplog) {
    auto repository = memory.open();
    backup::MongoImportOptions import;
    import.dataset = "shop";
    import.dump = dump;
    import.oplog = oplog;
    import.time = clock().now();
    import.temp_directory = scratch_.path();
    const auto imported = backup::import_mongo(repository, import);
    REQUIRE_MESSAGE(imported.has_value(), MemoryRepository::describe_failure(imported));
    return imported->snapshot.value_or(repo::SnapshotId{});
  }

  // Stores the model as a full backup and compares: the same tree, so the same blobs, chunk indexes
  // and manifest.
  void compare_with_real(const DatabaseModel& model, const repo::SnapshotId& synthetic) {
    const auto dump = fresh();
    model.write_dump(dump);
    last_real_ = import(dump, std::nullopt);
    auto repository = memory.open_indexed();
    const auto left = repository.load_snapshot(synthetic);
    const auto right = repository.load_snapshot(*last_real_);
    REQUIRE(left.has_value());
    REQUIRE(right.has_value());
    const auto computed = catalog::StoredBase::open(repository, *left).value();
    const auto real = catalog::StoredBase::open(repository, *right).value();
    CHECK(dataset::encode_manifest(computed->manifest()) ==
          dataset::encode_manifest(real->manifest()));
    CHECK(left->snapshot.tree == right->snapshot.tree);
  }
  // Removes the last base that was stored for a comparison.
  void forget_last() {
    auto repository = memory.open_indexed();
    REQUIRE(repository.remove_snapshot(*last_real_).has_value());
  }

 private:
  std::filesystem::path fresh() { return scratch_.path() / std::to_string(number_++); }

  repo::SnapshotId import(const std::filesystem::path& dump,
                          const std::optional<std::filesystem::path>& oplog) {
    const auto id = import_dump(dump, oplog);
    std::filesystem::remove_all(dump);
    return id;
  }

  ScratchDirectory scratch_;
  int number_ = 0;
  std::optional<repo::SnapshotId> last_real_;
};

}  // namespace holdfast::test
