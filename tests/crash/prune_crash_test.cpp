// A prune that dies at any store call: the repository opens, the checker and restic are content,
// every snapshot that stays is whole, and the next prune finishes the work without help.
#include "doubles/hooked_store.hpp"
#include "doubles/memory_repository.hpp"
#include "doubles/restic_check.hpp"
#include "doubles/sample_snapshot.hpp"
#include "retain/prune.hpp"
#include "store/retrying_store.hpp"
#include "verify/check.hpp"

using namespace holdfast;

namespace {

constexpr std::uint64_t calls_max = 2000;
// Every so many crash points restic is asked too: it takes half a second each time.
constexpr std::uint64_t restic_every = 9;

repo::LockOptions lock_options(std::string_view command, std::int64_t pid) {
  repo::LockOptions options;
  options.program = "holdfast 0.1.0 " + std::string(command);
  options.heartbeat = repo::LockOptions::Heartbeat::manual;
  options.holder = {};
  options.holder.boot_id = "here";
  options.holder.pid_namespace = 1;
  options.holder.pid = pid;
  return options;
}

// Three backups of one directory, of which a prune keeps the last.
struct World : test::MemoryRepository {
  test::SampleFiles files;
  std::optional<repo::Repository> writer_repository;
  std::optional<repo::Lock> writer;  // somebody else at work, when there is one

  explicit World(std::uint64_t seed) : MemoryRepository(seed) {
    repo::WriterOptions options;
    options.data_pack_bytes = 16 * 1024;
    files = test::make_sample_files(rng, 8);
    for (int round = 0; round < 3; ++round) {
      files["shop/part" + std::to_string(round) + "/file" + std::to_string(round)] =
          std::string(4000, static_cast<char>('a' + round)) + std::to_string(rng.next());
      auto repository = open();
      const auto saved = test::save_sample(repository, files, options);
      REQUIRE_MESSAGE(saved.has_value(), describe_failure(saved));
      clock.advance(std::chrono::hours(1));
    }
    clock.advance(std::chrono::hours(25));
  }
  void start_writer() {
    writer_repository.emplace(open());
    auto options = lock_options("backup", 1);
    options.is_running = [](const repo::LockFile&) { return true; };
    writer.emplace(repo::Lock::take(*writer_repository, options).value());
  }
  // What one `holdfast prune --keep-last 1` does, over any store that shows the same objects.
  Result<retain::PruneResult> prune(store::Store& over) {
    auto repository = TRY(repo::Repository::open(context, over, password));
    auto options = lock_options("prune", 2);
    options.is_running = [](const repo::LockFile& file) { return file.pid == 1; };
    const auto lock = TRY(retain::take_prune_lock(repository, options));
    const retain::PruneOptions keep_last{.policy = {.last = 1}, .unused_percent_max = 0};
    return retain::prune(repository, lock, keep_last);
  }
  verify::Report check_clean() {
    const auto report = verify::check_repository(
        context, store, password, {.level = verify::Level::decrypt, .threads = 1, .lock = {}});
    REQUIRE_MESSAGE(report.has_value(), describe_failure(report));
    for (const auto& finding : report->findings)
      CHECK_MESSAGE(finding.severity == verify::Severity::note, finding.object, ": ",
                    finding.message);
    return *report;
  }
  void check_finished() {
    const auto report = check_clean();
    CHECK(report.findings.empty());
    CHECK(report.snapshots == 1);
    const auto repository = open_indexed();
    const auto snapshots = repository.snapshots().value();
    const auto used = retain::find_used_blobs(repository, snapshots).value();
    const auto tallies = retain::tally_packs(repository.index(), used);
    for (const auto& pack : tallies.packs) CHECK(pack.unused_blobs == 0);
    CHECK(names("data/").size() == repository.index().loaded_pack_count());
    CHECK(names("locks/").size() == (writer ? 1 : 0));
  }
};

enum class Writer : std::uint8_t { none, at_work };

// How many calls it took until a prune got through.
std::uint64_t crash_everywhere(const store::FaultScript& faults, Writer writer,
                               std::uint64_t seed) {
  const bool asks_restic = test::has_restic();
  for (std::uint64_t call = 1; call < calls_max; ++call) {
    CAPTURE(call);
    World world(seed);
    if (writer == Writer::at_work) world.start_writer();
    auto script = faults;
    script.crash_at_call = call;
    REQUIRE(world.store.reopen(script).has_value());
    const auto crashed = world.prune(world.store);
    const bool finished = !world.store.crashed();
    if (finished) REQUIRE_MESSAGE(crashed.has_value(), world.describe_failure(crashed));
    REQUIRE(world.store.reopen().has_value());
    CHECK(world.check_clean().snapshots >= 1);
    if (asks_restic && (call % restic_every == 0 || finished))
      test::check_with_restic(world.store, "test");

    if (world.writer) {
      REQUIRE(world.writer->renew().has_value());
      world.writer.reset();
    }
    const auto next = world.prune(world.store);
    REQUIRE_MESSAGE(next.has_value(), world.describe_failure(next));
    world.check_finished();
    if (finished) return call;
  }
  FAIL("no prune got through");
  return 0;
}

}  // namespace

TEST_CASE("a prune that dies at any store call hurts nothing") {
  CHECK(crash_everywhere({}, Writer::none, 11) > 40);
}

TEST_CASE("so with torn objects and listings that lag behind") {
  store::FaultScript faults;
  faults.torn = store::Torn::yes;
  faults.listing_lag = std::chrono::seconds(3);
  CHECK(crash_everywhere(faults, Writer::none, 12) > 40);
}

TEST_CASE("so beside a writer, when packs are marked and stay") {
  CHECK(crash_everywhere({}, Writer::at_work, 13) > 40);
}

TEST_CASE("a prune over a store that fails now and then gets through") {
  for (std::uint64_t seed = 20; seed < 26; ++seed) {
    CAPTURE(seed);
    World world(seed);
    REQUIRE(world.store.reopen({.transient_percent = 15}).has_value());
    store::RetryingStore patient(std::make_unique<test::HookedStore>(world.store), world.context,
                                 {.attempts_max = 30});
    const auto pruned = world.prune(patient);
    REQUIRE_MESSAGE(pruned.has_value(), world.describe_failure(pruned));
    REQUIRE(patient.sync().has_value());  // the lock's removal too
    REQUIRE(world.store.reopen().has_value());
    world.check_finished();
  }
}
