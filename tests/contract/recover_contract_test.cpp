// Recovery onto a server that runs: HOLDFAST_TEST_MONGO=mongodb://… names one. The databases
// hf_shop and hf_other there are dropped.
#include <doctest/doctest.h>

#include "backup/import_mongo.hpp"
#include "bson/builder.hpp"
#include "cli/environment.hpp"
#include "doubles/corpus.hpp"
#include "doubles/memory_repository.hpp"
#include "recover/compare_mongo.hpp"
#include "recover/restore_mongo.hpp"
#include "recover/undelete_mongo.hpp"
#include "recover/undo_put_back.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

std::optional<std::string> server() {
  auto uri = cli::environment("HOLDFAST_TEST_MONGO");
  if (!uri) MESSAGE("SKIPPED: HOLDFAST_TEST_MONGO names no server");
  return uri;
}

// A recorded history in a repository in memory, and the server.
struct Recovery {
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  test::ScratchDirectory scratch;
  std::unique_ptr<mongo::Deployment> live;

  explicit Recovery(const std::string& uri) {
    const auto parsed = mongo::Uri::parse(Secret(as_bytes(uri)));
    REQUIRE(parsed.has_value());
    auto connected = mongo::Deployment::connect(*parsed, memory.context);
    REQUIRE_MESSAGE(connected.has_value(), memory.describe_failure(connected));
    live = std::move(*connected);
    for (const auto* db : {"hf_shop", "hf_other", "holdfast_restore"}) drop(db);

    const test::UnpackedCorpus history("delta-1");
    backup::MongoImportOptions options;
    options.dataset = "shop";
    options.dump = history.root() / "base";
    options.oplog = history.root() / "oplog.bson";
    options.temp_directory = scratch.path();
    const auto imported = backup::import_mongo(repository, options);
    REQUIRE_MESSAGE(imported.has_value(), memory.describe_failure(imported));
  }
  ~Recovery() {
    for (const auto* db : {"hf_shop", "hf_other"}) drop(db);
  }

  mongo::Connection connect() { return live->connect_to(mongo::ReadFrom::primary).value(); }
  void run(const std::string& db, bson::Document command) {
    auto connection = connect();
    const auto done = connection.run_ok(db, command, "preparing");
    REQUIRE_MESSAGE(done.has_value(), memory.describe_failure(done));
  }
  void drop(const std::string& db) {
    bson::Builder command;
    command.append_int32("dropDatabase", 1);
    run(db, command.finish());
  }
  // {_id: {$lt: 300}} of the orders.
  void delete_some_orders() {
    bson::Builder command;
    command.append_text("delete", "orders");
    command.begin_array("deletes");
    command.begin_document("0");
    command.begin_document("q");
    command.begin_document("_id");
    command.append_int32("$lt", 300);
    command.end();
    command.end();
    command.append_int32("limit", 0);
    command.end();
    command.end();
    run("hf_shop", command.finish());
  }

  MomentRequest request() const {
    MomentRequest made;
    made.dataset = "shop";
    made.renames = {"shop=hf_shop", "other=hf_other"};
    made.temp_directory = scratch.path();
    return made;
  }
  RestoreMongoResult restore(const RestoreMongoOptions& options) {
    auto result = restore_mongo(repository, *live, options);
    REQUIRE_MESSAGE(result.has_value(), memory.describe_failure(result));
    return std::move(*result);
  }
  CompareMongoResult compare() {
    auto result = compare_mongo(repository, *live, request(), {});
    REQUIRE_MESSAGE(result.has_value(), memory.describe_failure(result));
    return std::move(*result);
  }
};

}  // namespace

TEST_CASE("A moment is restored, proven equal, and not restored over itself") {
  const auto uri = server();
  if (!uri) return;
  Recovery recovery(*uri);
  RestoreMongoOptions options;
  options.moment = recovery.request();
  const auto plan = plan_restore(recovery.repository, *recovery.live, options);
  REQUIRE_MESSAGE(plan.has_value(), recovery.memory.describe_failure(plan));
  CHECK(plan->occupied.empty());
  const auto result = recovery.restore(options);
  CHECK(result.is_equal());
  CHECK(result.document_count > 1000);
  CHECK(recovery.compare().is_equal());

  const auto again = restore_mongo(recovery.repository, *recovery.live, options);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::refused);

  recovery.delete_some_orders();
  CHECK_FALSE(recovery.compare().is_equal());
  options.in_place = InPlace::yes;
  options.confirm = "shop";
  CHECK(recovery.restore(options).is_equal());
  CHECK(recovery.compare().is_equal());
}

TEST_CASE("Deleted documents are put back, and taken away again by the undo point") {
  const auto uri = server();
  if (!uri) return;
  Recovery recovery(*uri);
  RestoreMongoOptions options;
  options.moment = recovery.request();
  REQUIRE(recovery.restore(options).is_equal());
  recovery.delete_some_orders();

  UndeleteOptions undelete;
  undelete.moment = recovery.request();
  auto lost = find_lost(recovery.repository, *recovery.live, undelete);
  REQUIRE_MESSAGE(lost.has_value(), recovery.memory.describe_failure(lost));
  const std::uint64_t count = lost->count();
  CHECK(count > 5);
  const auto back = put_back(recovery.repository, *recovery.live, *lost, {});
  REQUIRE_MESSAGE(back.has_value(), recovery.memory.describe_failure(back));
  CHECK(back->written() == count);
  CHECK(recovery.compare().is_equal());

  REQUIRE(back->undo_point.has_value());
  const auto undo_with = [&](UndoMode mode) {
    return undo_put_back(recovery.repository, *recovery.live,
                         {back->undo_point->hex(), "shop", mode});
  };
  const auto seen = undo_with(UndoMode::preview);
  REQUIRE_MESSAGE(seen.has_value(), recovery.memory.describe_failure(seen));
  CHECK(seen->sum().removed == count);
  CHECK(recovery.compare().is_equal());
  const auto undone = undo_with(UndoMode::write);
  REQUIRE_MESSAGE(undone.has_value(), recovery.memory.describe_failure(undone));
  CHECK(undone->sum().removed == count);
  CHECK(undone->sum().left == 0);
  CHECK_FALSE(recovery.compare().is_equal());
}
