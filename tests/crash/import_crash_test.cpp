// An import that dies at any store call: what was published is whole, and the next run succeeds
// without help.
#include <filesystem>

#include "backup/import_mongo.hpp"
#include "doubles/corpus.hpp"
#include "doubles/exported_bases.hpp"
#include "doubles/memory_repository.hpp"

using namespace holdfast;
using holdfast::test::check_bases;
using holdfast::test::MemoryRepository;
using holdfast::test::UnpackedCorpus;

namespace {

const std::filesystem::path dump = HOLDFAST_TEST_DATA "/mongodump/dir";

Result<backup::MongoImportResult> import_once(MemoryRepository& world,
                                              const std::filesystem::path& oplog) {
  auto repository = TRY(repo::Repository::open(world.context, world.store, world.password));
  backup::MongoImportOptions options;
  options.dataset = "shop";
  options.dump = dump;
  options.oplog = oplog;
  options.temp_directory = std::filesystem::temp_directory_path();
  options.writer.data_pack_bytes = 40'000;
  options.writer.tree_pack_bytes = 10'000;
  return backup::import_mongo(repository, options);
}

void crash_everywhere(store::Torn torn, std::uint64_t seed) {
  const UnpackedCorpus corpus("rollback-1");
  const auto oplog = corpus.root() / "a-before-majority.bson";
  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    CAPTURE(call);
    MemoryRepository world(seed + call);
    store::FaultScript script;
    script.crash_at_call = call;
    script.torn = torn;
    REQUIRE(world.store.reopen(script).has_value());
    const auto crashed = import_once(world, oplog);
    finished = crashed.has_value() && !world.store.crashed();
    REQUIRE(world.store.reopen().has_value());
    const std::size_t published = check_bases(world);
    if (crashed.has_value()) CHECK(published == 1);

    const auto next = import_once(world, oplog);
    REQUIRE_MESSAGE(next.has_value(), MemoryRepository::describe_failure(next));
    CHECK(next->oplog->gaps.empty());
    CHECK(next->oplog->new_count + next->oplog->known_count == next->oplog->entry_count);
    CHECK(check_bases(world) == published + 1);
    REQUIRE(call < 500);
  }
}

}  // namespace

TEST_CASE("an import that dies at any store call hurts nothing") {
  crash_everywhere(store::Torn::no, 100);
}

TEST_CASE("an import that dies at any store call with torn writes hurts nothing") {
  crash_everywhere(store::Torn::yes, 200);
}
