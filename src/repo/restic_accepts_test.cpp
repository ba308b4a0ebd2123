// What our writer makes, judged by the real restic. Skipped where it is not installed.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/task_group.hpp"
#include "doubles/recording_log.hpp"
#include "doubles/scratch_directory.hpp"
#include "repo/chunker.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"
#include "store/local_store.hpp"

using namespace holdfast;
using namespace holdfast::repo;
using holdfast::test::ScratchDirectory;

namespace {

struct World {
  ScratchDirectory scratch;
  SystemClock clock;
  SystemRng rng;
  test::RecordingLog log;
  Context context{clock, rng, log, {}};
  std::filesystem::path root = scratch.path() / "repository";
  std::filesystem::path password_file = scratch.path() / "password";
  std::unique_ptr<store::LocalStore> store = store::LocalStore::create(root).value();
  Secret password{as_bytes("test")};

  World() { REQUIRE(write_file_atomically(password_file, password.reveal()).has_value()); }

  // Exit status and what it printed; nothing when restic is not there.
  std::optional<std::pair<int, std::string>> restic(std::vector<std::string> words) {
    std::vector<std::string> argv{"restic",          "-r",         root.string(), "--no-cache",
                                  "--password-file", password_file};
    argv.insert(argv.end(), words.begin(), words.end());
    const auto done = run_process(argv, Capture::standard_output);
    if (!done.has_value()) return std::nullopt;
    return std::pair(done->exit_status, std::string(as_text(done->output)));
  }
};

Bytes file_content(std::uint64_t seed, std::size_t length) {
  Bytes bytes(length);
  SeededRng rng(seed);
  rng.fill(bytes);
  if (seed % 2 == 0)  // every other file compresses
    for (auto& byte : bytes) byte &= 7;
  return bytes;
}

// Saves a file's chunks and gives its node.
Node save_file(Writer& writer, const Chunker& chunker, std::string name, ByteView content) {
  Node node;
  node.name = std::move(name);
  node.mode = 0644;
  node.size = content.size();
  std::vector<ByteView> chunks;
  for (auto rest = content; !rest.empty();) {
    const auto length = chunker.first_cut(rest);
    chunks.push_back(rest.first(length));
    rest = rest.subspan(length);
  }
  std::vector<SavedBlob> saved(chunks.size());
  REQUIRE(writer.save_many(BlobType::data, chunks, saved).has_value());
  for (const auto& blob : saved) node.content.push_back(blob.id);
  return node;
}

}  // namespace

TEST_CASE("restic checks every byte of what four threads wrote, and restores it") {
  World world;
  if (!world.restic({"version"})) {
    MESSAGE("restic is not installed");
    return;
  }
  auto repository = Repository::init(world.context, *world.store, world.password).value();
  REQUIRE(repository.load_index().has_value());
  auto writer = Writer::make(repository).value();
  const auto chunker = Chunker::make(Polynomial{repository.config().chunker_polynomial}).value();

  constexpr std::size_t file_count = 60;
  std::vector<Node> nodes(file_count);
  const auto length_of = [](std::size_t number) { return number < 4 ? 9'000'000 : number * 977; };
  TaskGroup group;
  std::atomic<std::size_t> next{0};
  for (int thread = 0; thread < 4; ++thread)
    group.start([&](std::stop_token) -> Result<void> {
      for (auto number = next++; number < file_count; number = next++)
        nodes[number] = save_file(writer, chunker, fmt::format("file{:03}", number),
                                  file_content(number, length_of(number)));
      return {};
    });
  REQUIRE(group.wait().has_value());

  const auto tree = writer.save(BlobType::tree, encode_tree(nodes)).value();
  Snapshot snapshot;
  snapshot.time = make_node_time(world.clock.now(), TimeOffset::utc);
  snapshot.tree = tree.id;
  snapshot.paths = {"/srv"};
  snapshot.hostname = "shop";
  REQUIRE(writer.publish_snapshot(snapshot).has_value());

  const auto checked = world.restic({"check", "--read-data"}).value();
  CHECK_MESSAGE(checked.first == 0, checked.second);
  CHECK(checked.second.find("no errors were found") != std::string::npos);

  const auto target = world.scratch.path() / "restored";
  const auto restored = world.restic({"restore", "latest", "--target", target.string()}).value();
  CHECK_MESSAGE(restored.first == 0, restored.second);
  for (std::size_t number = 0; number < file_count; ++number) {
    const auto read = read_file(target / fmt::format("file{:03}", number), 1 << 24);
    REQUIRE(read.has_value());
    CHECK(*read == file_content(number, length_of(number)));
  }
}

TEST_CASE("restic opens our key files, also an added one, and not a removed one") {
  World world;
  if (!world.restic({"version"})) {
    MESSAGE("restic is not installed");
    return;
  }
  auto repository = Repository::init(world.context, *world.store, world.password).value();
  const auto added = add_key(world.context, *world.store, repository.key().master,
                             Secret(as_bytes("second")), KeyAuthor{unknown_time, "root", "shop"});
  REQUIRE(added.has_value());
  const auto listed = world.restic({"key", "list"}).value();
  CHECK_MESSAGE(listed.first == 0, listed.second);
  CHECK(listed.second.find(added->short_hex()) != std::string::npos);
  REQUIRE(remove_key(*world.store, repository.key().id, *added).has_value());
  CHECK(world.restic({"key", "list"}).value().first != 0);
  REQUIRE(write_file_atomically(world.password_file, as_bytes("second")).has_value());
  CHECK(world.restic({"key", "list"}).value().first == 0);
}
