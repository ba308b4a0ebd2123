#pragma once
// Judging what a run that died left of a database: every base that shows must be whole.
#include <doctest/doctest.h>

#include "catalog/recorded_segments.hpp"
#include "doubles/memory_repository.hpp"
#include "doubles/scratch_directory.hpp"
#include "recover/export_mongo.hpp"

namespace holdfast::test {

// Exports every base; the export compares digests with the manifest. How many bases there are.
inline std::size_t check_bases(MemoryRepository& world) {
  auto repository = world.open_indexed();
  const auto listing = repository.list_snapshots().value();
  CHECK(listing.unreadable.empty());
  std::size_t count = 0;
  for (const auto& stored : listing.snapshots) {
    if (!catalog::has_tag(stored.snapshot, dataset::base_tag)) continue;
    const ScratchDirectory scratch;
    recover::MongoExportOptions options;
    options.dataset = "shop";
    options.snapshot = stored.id.hex();
    options.target = dataset::target_of(scratch.path() / "out");
    options.temp_directory = scratch.path();
    const auto exported = recover::export_mongo(repository, options);
    REQUIRE_MESSAGE(exported.has_value(), MemoryRepository::describe_failure(exported));
    ++count;
  }
  return count;
}

}  // namespace holdfast::test
