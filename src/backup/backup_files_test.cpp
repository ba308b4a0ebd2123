#include "backup/backup_files.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "doubles/memory_repository.hpp"
#include "doubles/scratch_directory.hpp"

using namespace holdfast;
using namespace holdfast::backup;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

Bytes noise(std::size_t size, std::uint64_t seed) {
  SeededRng rng(seed);
  Bytes bytes(size);
  rng.fill(bytes);
  return bytes;
}

// A repository in memory with the clock of the machine, and a directory to back up.
struct Backups {
  test::MemoryRepository memory;
  SystemClock clock;
  Context context{clock, memory.rng, memory.log, memory.stop.get_token()};
  test::ScratchDirectory scratch;
  fs::path root = scratch.path() / "root";

  Backups() { fs::create_directories(root); }

  FilesBackupOptions options() const {
    FilesBackupOptions chosen;
    chosen.paths = {root.string()};
    chosen.author.hostname = "shop";
    chosen.threads = 2;
    return chosen;
  }
  Result<FilesBackupResult> try_run(const FilesBackupOptions& chosen) {
    auto repository = repo::Repository::open(context, memory.store, memory.password).value();
    return backup_files(repository, chosen);
  }
  FilesBackupResult run(const FilesBackupOptions& chosen) {
    auto result = try_run(chosen);
    REQUIRE_MESSAGE(result.has_value(), test::MemoryRepository::describe_failure(result));
    return std::move(*result);
  }
  FilesBackupResult run() { return run(options()); }

  // The tree of root itself: others change what is above it, /tmp for one, while a test runs.
  repo::BlobId below(const repo::BlobId& tree) { return node_at(tree, root).subtree.value(); }
  // How many trees can be new for that reason.
  std::uint64_t trees_above() const {
    const auto path = root.relative_path();
    return static_cast<std::uint64_t>(std::distance(path.begin(), path.end()));
  }

  // The node at a path below root in a tree.
  repo::Node node(const repo::BlobId& tree, const fs::path& relative) {
    return node_at(tree, root / relative);
  }
  repo::Node node_at(const repo::BlobId& tree, const fs::path& absolute) {
    auto repository = memory.open_indexed();
    const auto path = absolute.relative_path();
    auto at = tree;
    repo::Node node;
    for (const auto& part : path) {
      const auto nodes = repository.load_tree(at).value();
      const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const repo::Node& one) {
        return one.name == part.string();
      });
      REQUIRE_MESSAGE(found != nodes.end(), part.string());
      node = *found;
      if (node.subtree) at = *node.subtree;
    }
    return node;
  }
  Bytes content(const repo::Node& node) {
    auto repository = memory.open_indexed();
    Bytes bytes;
    for (const auto& id : node.content)
      append(bytes, repository.load_blob({repo::BlobType::data, id}).value());
    return bytes;
  }
};

}  // namespace

TEST_CASE("files of all sizes come back out of their chunks") {
  Backups backups;
  const std::vector<std::size_t> sizes{0,      1,       4096,    524287,  524288,
                                       524289, 3000000, 9000000, 40000000};
  for (const auto size : sizes)
    write(backups.root / std::to_string(size), as_text(noise(size, size)));
  write(backups.root / "zeros", std::string(20000000, '\0'));
  const auto result = backups.run();
  REQUIRE(result.snapshot);
  CHECK(result.is_complete());
  CHECK(result.summary.files_new == sizes.size() + 1);
  for (const auto size : sizes) {
    const auto node = backups.node(result.tree, std::to_string(size));
    CAPTURE(size);
    CHECK(node.size == size);
    CHECK(backups.content(node) == noise(size, size));
    CHECK(node.content.size() >= (size + (8U << 20) - 1) / (8U << 20));
  }
  CHECK(backups.content(backups.node(result.tree, "zeros")) == Bytes(20000000, 0));
}

TEST_CASE("what did not change is known by its facts and not opened") {
  Backups backups;
  for (int number = 0; number < 300; ++number)
    write(backups.root / "many" / std::to_string(number), std::to_string(number));
  write(backups.root / "large", as_text(noise(2000000, 1)));
  const auto first = backups.run();
  CHECK(first.summary.files_new == 301);
  const auto second = backups.run();
  CHECK(second.parent == first.snapshot);
  CHECK(backups.below(second.tree) == backups.below(first.tree));
  CHECK(second.summary.files_unmodified == 301);
  CHECK(second.summary.data_blobs == 0);
  CHECK(second.summary.tree_blobs <= backups.trees_above());
  CHECK(second.summary.total_bytes_processed == first.summary.total_bytes_processed);

  write(backups.root / "many/7", "8");
  const auto third = backups.run();
  CHECK(third.summary.files_changed == 1);
  CHECK(third.summary.files_unmodified == 300);
  CHECK(backups.below(third.tree) != backups.below(first.tree));
  CHECK(as_text(backups.content(backups.node(third.tree, "many/7"))) == "8");

  auto options = backups.options();
  options.parent_choice = ParentChoice::none;
  CHECK(backups.below(backups.run(options).tree) == backups.below(third.tree));
  options.author.hostname = "other";
  options.parent_choice = ParentChoice::newest_alike;
  CHECK_FALSE(backups.run(options).parent);
}

TEST_CASE("content that the repository has lost is read again although the file did not change") {
  Backups backups;
  write(backups.root / "f", "precious");
  const auto first = backups.run();
  for (const auto& name : backups.memory.names("index/"))
    REQUIRE(backups.memory.store.remove(name).has_value());
  const auto second = backups.run();
  CHECK(second.summary.data_blobs == 1);
  CHECK(backups.below(second.tree) == backups.below(first.tree));
}

TEST_CASE("special entries, links and odd names keep what they are") {
  Backups backups;
  REQUIRE(::mkfifo((backups.root / "fifo").c_str(), 0600) == 0);
  REQUIRE(::symlink("no\xffwhere", (backups.root / "link").c_str()) == 0);
  write(backups.root / "a\nb\xff", "x");
  fs::create_hard_link(backups.root / "a\nb\xff", backups.root / "hard");
  const auto result = backups.run();
  CHECK(result.is_complete());
  CHECK(backups.node(result.tree, "fifo").type == repo::NodeType::fifo);
  CHECK(backups.node(result.tree, "link").link_target == "no\xffwhere");
  const auto one = backups.node(result.tree, "a\nb\xff");
  const auto other = backups.node(result.tree, "hard");
  CHECK(one.links == 2);
  CHECK(one.inode == other.inode);
  CHECK(one.content == other.content);
  CHECK(backups.below(backups.run().tree) == backups.below(result.tree));
}

TEST_CASE("a missing path is reported and the rest is saved; nothing at all is an error") {
  Backups backups;
  write(backups.root / "f", "x");
  auto options = backups.options();
  options.paths.push_back((backups.scratch.path() / "gone").string());
  options.paths.push_back((backups.scratch.path() / "*.none").string());
  const auto result = backups.run(options);
  CHECK(result.snapshot);
  CHECK_FALSE(result.is_complete());
  CHECK(result.unreadable.count == 1);
  CHECK(result.unmatched_globs.size() == 1);
  options.paths = {(backups.scratch.path() / "gone").string()};
  CHECK(backups.try_run(options).error().code == ErrorCode::not_found);
  options.paths = {};
  CHECK(backups.try_run(options).error().code == ErrorCode::usage);
}

TEST_CASE("unreadable files are reported one by one and left out") {
  if (::geteuid() == 0) return;  // root can read everything
  Backups backups;
  write(backups.root / "open", "x");
  write(backups.root / "closed", "x");
  REQUIRE(::chmod((backups.root / "closed").c_str(), 0) == 0);
  const auto result = backups.run();
  CHECK(result.unreadable.count == 1);
  CHECK(result.snapshot);
}

TEST_CASE("a required file that is missing fails the run by name") {
  Backups backups;
  write(backups.root / "config.env", "x");
  auto options = backups.options();
  options.required = {(backups.root / "config.env").string()};
  CHECK(backups.run(options).snapshot);
  options.required.push_back((backups.root / "certificate.pem").string());
  const auto failed = backups.try_run(options);
  CHECK(failed.error().message.find("certificate.pem") != std::string::npos);
  CHECK(backups.memory.names("snapshots/").size() == 1);
  options.required = {(backups.root / "config.env").string()};
  options.exclude.patterns = {"*.env"};
  CHECK_FALSE(backups.try_run(options).has_value());
}

TEST_CASE("the command before can stop the run, the one after always runs") {
  Backups backups;
  write(backups.root / "f", "x");
  const auto mark = (backups.scratch.path() / "mark").string();
  auto options = backups.options();
  options.before = {"touch", (backups.root / "made_before").string()};
  options.after = {"touch", mark};
  const auto result = backups.run(options);
  CHECK(backups.node(result.tree, "made_before").type == repo::NodeType::file);
  CHECK(fs::exists(mark));
  fs::remove(mark);
  options.before = {"false"};
  CHECK(backups.try_run(options).error().code == ErrorCode::failed);
  CHECK(fs::exists(mark));
  options.before = {};
  options.after = {"false"};
  const auto late = backups.run(options);
  CHECK(late.snapshot);
  CHECK(late.after_error);
  CHECK_FALSE(late.is_complete());
}

TEST_CASE("a dry run counts and stores nothing") {
  Backups backups;
  write(backups.root / "f", "12345");
  write(backups.root / "g", "12345");
  backups.clock.sleep_for(std::chrono::milliseconds(30));  // else a run may still be unsure of them
  backups.run();
  write(backups.root / "f", "123456");
  const auto before = backups.memory.names().size();
  auto options = backups.options();
  options.dry_run = DryRun::yes;
  const auto result = backups.run(options);
  CHECK_FALSE(result.snapshot);
  CHECK(result.summary.files_changed == 1);
  CHECK(result.summary.files_unmodified == 1);
  CHECK(result.bytes_to_read == 6);
  CHECK(backups.memory.names().size() == before);
}

TEST_CASE("a file that grows all the time is in the snapshot, as long as its node says") {
  Backups backups;
  write(backups.root / "busy", as_text(noise(6000000, 1)));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    std::ofstream out(backups.root / "busy", std::ios::binary | std::ios::app);
    while (!stop) out.write("x", 1).flush();
  });
  const auto result = backups.run();
  stop = true;
  writer.join();
  CHECK(backups.node(result.tree, "busy").size >= 6000000);
  CHECK(backups.content(backups.node(result.tree, "busy")).size() ==
        backups.node(result.tree, "busy").size);
}

TEST_CASE("a run that is told to stop says so and the next one goes on") {
  Backups backups;
  for (int number = 0; number < 20; ++number)
    write(backups.root / std::to_string(number), as_text(noise(700000, 100U + unsigned(number))));
  backups.memory.stop.request_stop();
  CHECK(backups.try_run(backups.options()).error().code == ErrorCode::interrupted);
  CHECK(backups.memory.names("snapshots/").empty());
}

TEST_CASE(
    "a store that fails at any call fails the run, ends its threads, and the next run works") {
  Backups backups;
  for (int number = 0; number < 40; ++number)
    write(backups.root / std::to_string(number), as_text(noise(900000, 500U + unsigned(number))));
  write(backups.root / "large", as_text(noise(20000000, 9)));
  for (int number = 0; number < 200; ++number)
    write(backups.root / "small" / std::to_string(number), std::to_string(number));
  bool finished = false;
  for (std::uint64_t call = 1; !finished; ++call) {
    REQUIRE(call < 200);
    store::FaultScript script;
    script.crash_at_call = call;
    REQUIRE(backups.memory.store.reopen(script).has_value());
    auto repository =
        repo::Repository::open(backups.context, backups.memory.store, backups.memory.password);
    finished = repository.has_value() && backup_files(*repository, backups.options()).has_value();
  }
  REQUIRE(backups.memory.store.reopen().has_value());
  const auto result = backups.run();
  CHECK(result.is_complete());
  CHECK(backups.content(backups.node(result.tree, "large")) == noise(20000000, 9));
}

TEST_CASE("the description of a snapshot is what was asked for") {
  Backups backups;
  write(backups.root / "f", "x");
  auto options = backups.options();
  options.tags = {"a", "b"};
  options.note = "before the update";
  options.time = WallTime(std::chrono::seconds(1'700'000'000));
  options.exclude.patterns = {"*.o"};
  options.author.program_version = "holdfast 0.0.0";
  const auto result = backups.run(options);
  auto repository = backups.memory.open_indexed();
  const auto snapshot = repository.load_snapshot(*result.snapshot).value().snapshot;
  CHECK(snapshot.tags == options.tags);
  CHECK(snapshot.description == options.note);
  CHECK(snapshot.time.seconds == 1'700'000'000);
  CHECK(snapshot.excludes == options.exclude.patterns);
  CHECK(snapshot.paths == options.paths);
  CHECK(snapshot.hostname == "shop");
  CHECK(snapshot.summary->files_new == 1);
  CHECK(snapshot.summary->total_bytes_processed == 1);
}
