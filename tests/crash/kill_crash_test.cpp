// A process that is killed (SIGKILL) at any store call, on a real directory: the repository opens,
// the checker and restic are content, what was published is whole, and the next run succeeds
// without help.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "backup/backup_files.hpp"
#include "backup/import_mongo.hpp"
#include "doubles/restic_check.hpp"
#include "doubles/scratch_directory.hpp"
#include "repo/keyring.hpp"
#include "retain/prune.hpp"
#include "store/local_store.hpp"
#include "verify/check.hpp"

using namespace holdfast;
using holdfast::test::ScratchDirectory;

namespace {

constexpr std::uint64_t calls_max = 400;
constexpr std::uint64_t restic_every = 10;  // it takes half a second each time

// Kills this process right before call number `last`; 0: never. One thread counts.
class DyingStore final : public store::Store {
 public:
  DyingStore(store::Store& inner, std::uint64_t last) : inner_(inner), left_(last) {}

  Result<void> put(std::string_view name, ByteView bytes, store::Durability durability,
                   const store::Condition& condition) override {
    count();
    return inner_.put(name, bytes, durability, condition);
  }
  Result<Bytes> get(std::string_view name) override {
    count();
    return inner_.get(name);
  }
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override {
    count();
    return inner_.get_range(name, offset, length);
  }
  Result<store::ObjectInfo> stat(std::string_view name) override {
    count();
    return inner_.stat(name);
  }
  Result<void> list(std::string_view prefix, const Visitor& visit) override {
    count();
    return inner_.list(prefix, visit);
  }
  Result<void> remove(std::string_view name) override {
    count();
    return inner_.remove(name);
  }
  Result<void> sync() override {
    count();
    return inner_.sync();
  }
  std::string describe() const override { return inner_.describe(); }

 private:
  void count() {
    if (left_ > 0 && --left_ == 0) ::kill(::getpid(), SIGKILL);
  }
  store::Store& inner_;
  std::uint64_t left_;
};

// One machine with a repository in a directory and some files to save.
struct Machine {
  ScratchDirectory scratch;
  SimClock clock{WallTime(std::chrono::seconds(1'795'000'000))};
  SystemRng rng;
  NullLog log;
  Context context{clock, rng, log, {}};
  Secret password{as_bytes("first")};
  Secret new_password{as_bytes("second")};
  std::filesystem::path files = scratch.path() / "files";
  std::filesystem::path place = scratch.path() / "repository";

  Machine() {
    const auto store = store::LocalStore::create(place).value();
    const repo::KeyOptions cheap({}, repo::ScryptCost{1024, 8, 1});
    REQUIRE(repo::Repository::init(context, *store, password, cheap).has_value());
    std::filesystem::create_directory(files);
    for (int round = 0; round < 3; ++round) {
      write_files(round);
      const auto saved = backup(*store);
      REQUIRE(saved.has_value());
      clock.advance(std::chrono::hours(1));
    }
    write_files(3);
  }

  void write_files(int round) {
    for (int number = 0; number < 6; ++number) {
      Bytes noise(20'000);
      rng.fill(noise);
      std::ofstream file(files / ("file" + std::to_string(number + round)), std::ios::trunc);
      file.write(reinterpret_cast<const char*>(noise.data()),
                 static_cast<std::streamsize>(noise.size()));
    }
  }

  Result<repo::Lock> lock(const repo::Repository& repository) {
    repo::LockOptions options;
    options.program = "holdfast test";
    options.heartbeat = repo::LockOptions::Heartbeat::manual;
    return repo::Lock::take(repository, std::move(options));
  }
  Result<void> backup(store::Store& store) {
    auto repository = TRY(repo::Repository::open(context, store, password));
    const auto held = TRY(lock(repository));
    backup::FilesBackupOptions options;
    options.paths = {files.string()};
    options.threads = 1;
    options.writer.data_pack_bytes = 50'000;
    TRY(backup::backup_files(repository, options));
    return held.check_held();
  }
  Result<void> import(store::Store& store) {
    auto repository = TRY(repo::Repository::open(context, store, password));
    const auto held = TRY(lock(repository));
    backup::MongoImportOptions options;
    options.dataset = "shop";
    options.dump = HOLDFAST_TEST_DATA "/mongodump/dir";
    options.temp_directory = scratch.path();
    options.writer.data_pack_bytes = 50'000;
    TRY(backup::import_mongo(repository, options));
    return held.check_held();
  }
  Result<void> prune(store::Store& store) {
    auto repository = TRY(repo::Repository::open(context, store, password));
    repo::LockOptions options;
    options.program = "holdfast test";
    options.heartbeat = repo::LockOptions::Heartbeat::manual;
    const auto held = TRY(retain::take_prune_lock(repository, std::move(options)));
    const retain::PruneOptions keep_last{.policy = {.last = 1}, .unused_percent_max = 0};
    TRY(retain::prune(repository, held, keep_last));
    return {};
  }
  Result<void> change_password(store::Store& store) {
    const auto repository = TRY(repo::Repository::open(context, store, password));
    const repo::KeyOptions cheap({}, repo::ScryptCost{1024, 8, 1});
    TRY(repo::change_password(context, store, repository.key(), new_password, cheap));
    return {};
  }

  // Whichever of the two passwords opens it.
  const Secret& current_password(store::Store& store) {
    const auto opened = repo::Repository::open(context, store, password);
    return opened.has_value() ? password : new_password;
  }
};

using UseCase = Result<void> (Machine::*)(store::Store&);

// True when the child was killed, false when it finished.
bool run_and_kill(Machine& machine, UseCase use_case, std::uint64_t call) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto store = store::LocalStore::open(machine.place).value();
    DyingStore dying(*store, call);
    const auto done = (machine.*use_case)(dying);
    ::_exit(done.has_value() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (!killed) CHECK(WEXITSTATUS(status) == 0);
  return killed;
}

void check_clean(Machine& machine, std::size_t snapshots_min, std::uint64_t call,
                 std::string_view when) {
  CAPTURE(when);
  const auto store = store::LocalStore::open(machine.place).value();
  const auto& password = machine.current_password(*store);
  const auto report =
      verify::check_repository(machine.context, *store, password,
                               {.level = verify::Level::decrypt, .threads = 1, .lock = {}});
  REQUIRE(report.has_value());
  for (const auto& finding : report->findings)
    CHECK_MESSAGE(finding.severity == verify::Severity::note, finding.object, " ", finding.message);
  CHECK(report->snapshots >= snapshots_min);
  if (call % restic_every == 0 && test::has_restic())
    test::check_with_restic(*store, std::string(as_text(password.reveal())));
}

void kill_everywhere(UseCase use_case, std::size_t snapshots_min) {
  bool killed = true;
  for (std::uint64_t call = 1; killed; ++call) {
    CAPTURE(call);
    REQUIRE(call < calls_max);
    Machine machine;
    killed = run_and_kill(machine, use_case, call);
    check_clean(machine, snapshots_min, call, "after the kill");
    if (!killed) break;
    const auto store = store::LocalStore::open(machine.place).value();
    if (&machine.current_password(*store) == &machine.new_password) continue;
    const auto next = (machine.*use_case)(*store);
    REQUIRE_MESSAGE(next.has_value(), describe(next.error()));
    check_clean(machine, snapshots_min, call, "after the next run");
  }
}

}  // namespace

TEST_CASE("a backup that is killed at any store call hurts nothing") {
  kill_everywhere(&Machine::backup, 3);
}

TEST_CASE("an import that is killed at any store call hurts nothing") {
  kill_everywhere(&Machine::import, 3);
}

TEST_CASE("a prune that is killed at any store call hurts nothing") {
  kill_everywhere(&Machine::prune, 1);
}

TEST_CASE("a change of the password that is killed at any store call locks nobody out") {
  kill_everywhere(&Machine::change_password, 3);
}
