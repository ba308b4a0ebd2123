#pragma once
// A repository in memory and a scripted oplog: runs of a stream over them, and what they recorded.
#include "backup/base_snapshot.hpp"
#include "backup/stream_mongo.hpp"
#include "catalog/mongo_points.hpp"
#include "doubles/memory_repository.hpp"
#include "doubles/oplog_story.hpp"
#include "doubles/scripted_oplog.hpp"

namespace holdfast::test {

// One thread. Time passes only while the stream waits for entries or for the store.
struct StreamWorld {
  MemoryRepository memory;
  ScriptedOplog oplog{memory.clock};
  std::vector<backup::BaseRequest> requests;  // for a base, in order
  std::function<Result<void>()> before_base;  // may refuse it

  explicit StreamWorld(std::uint64_t seed = 1) : memory(seed) {}

  // No-ops of these seconds, in this term, on the server.
  void serve(std::uint32_t first, std::uint32_t last, std::int64_t term = 1) {
    for (std::uint32_t second = first; second <= last; ++second)
      oplog.entries.push_back(entry_of(second, term));
  }
  static Bytes entry_of(std::uint32_t second, std::int64_t term = 1, std::size_t padding = 0) {
    return entry({second, 1, term}, "n", "", 0,
                 R"("o":{"msg":")" + std::string(padding, 'x') + "\"}");
  }

  backup::StreamOptions options(repo::Repository& repository) {
    backup::StreamOptions made;
    made.dataset = "shop";
    made.for_seconds = std::chrono::seconds(60);
    made.writer.data_pack_bytes = 40'000;
    made.writer.tree_pack_bytes = 10'000;
    made.publish = {3, std::chrono::milliseconds(10), std::chrono::milliseconds(100)};
    made.tail.failures_max = 3;
    made.take_base = [this, &repository](const backup::BaseRequest& request) -> Result<void> {
      requests.push_back(request);
      if (before_base) TRY(before_base());
      return take_base(repository);
    };
    return made;
  }

  // An empty base that was copied at the server's newest entry.
  Result<void> take_base(repo::Repository& repository) {
    TRY(repository.load_index());
    repo::WriterOptions writer_options;
    writer_options.data_pack_bytes = 40'000;
    writer_options.tree_pack_bytes = 10'000;
    auto writer = TRY(repo::Writer::make(repository, writer_options));
    const catalog::DatasetLabel label{"shop", {}, {}, memory.clock.now()};
    backup::BaseSnapshot base(repository, writer, label);
    const oplog::Timestamp at = ScriptedOplog::time_of(oplog.entries.back());
    base.manifest().window = oplog::BaseWindow{oplog::BaseKind::exact, at, at};
    TRY(base.publish());
    return {};
  }

  using Change = std::function<void(backup::StreamOptions&)>;
  Result<backup::StreamResult> run(const Change& change = {}) {
    auto repository = TRY(repo::Repository::open(memory.context, memory.store, memory.password));
    auto made = options(repository);
    if (change) change(made);
    return backup::stream_mongo(repository, oplog, made);
  }

  // Everything that is recorded, read as a recovery reads it; an empty list stands in each gap.
  std::vector<Bytes> recorded() {
    auto repository = memory.open();
    const auto snapshots = repository.snapshots();
    REQUIRE(snapshots.has_value());
    REQUIRE(repository.load_index().has_value());
    auto points = catalog::MongoPoints::load(repository, *snapshots, "shop");
    if (!points.has_value() && points.error().code == ErrorCode::not_found) return {};
    REQUIRE_MESSAGE(points.has_value(), MemoryRepository::describe_failure(points));
    std::vector<Bytes> all;
    for (const oplog::Chain& chain : points->timeline().chains()) {
      if (!all.empty()) all.emplace_back();
      catalog::SegmentEntries entries(*points, chain, 0);
      while (true) {
        const auto entry = entries.next();
        REQUIRE_MESSAGE(entry.has_value(), MemoryRepository::describe_failure(entry));
        if (!*entry) break;
        all.push_back(to_bytes(**entry));
      }
    }
    return all;
  }

  std::vector<oplog::Recoverable> windows() {
    auto repository = memory.open();
    const auto snapshots = repository.snapshots();
    REQUIRE(snapshots.has_value());
    REQUIRE(repository.load_index().has_value());
    auto points = catalog::MongoPoints::load(repository, *snapshots, "shop");
    if (!points.has_value()) return {};
    return points->timeline().recoverable(points->windows());
  }

  std::size_t count_of(std::string_view tag) {
    std::size_t count = 0;
    const auto snapshots = memory.open().snapshots();
    REQUIRE(snapshots.has_value());
    for (const auto& stored : *snapshots) count += catalog::has_tag(stored.snapshot, tag) ? 1 : 0;
    return count;
  }
};

}  // namespace holdfast::test
