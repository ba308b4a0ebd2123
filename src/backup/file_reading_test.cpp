#include "backup/file_reading.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "doubles/memory_repository.hpp"
#include "doubles/scratch_directory.hpp"

using namespace holdfast;
using namespace holdfast::backup;

namespace {

// One file in a directory of its own, with the job of reading it.
struct OneFile {
  test::ScratchDirectory scratch;
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  repo::Writer writer = repo::Writer::make(repository).value();
  BackupCounters counters;
  ProblemLog problems;
  TreeInProgress::Run run{writer, counters};
  TreeInProgress::Handle tree = std::make_shared<TreeInProgress>(run);
  FileJob job;

  explicit OneFile(std::string_view text) {
    put(text);
    dataset::OpenDirectory directory;
    directory.owned = Fd(::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    directory.fd = directory.owned.get();
    directory.path = scratch.path().string();
    job.parent = std::make_shared<const dataset::OpenDirectory>(std::move(directory));
    job.open_name = "f";
    job.tree = tree;
    job.slot = tree->reserve();
    job.facts.name = "f";
    REQUIRE(dataset::read_facts(job.parent->fd, "f", job.facts).has_value());
  }
  void put(std::string_view text) { std::ofstream(scratch.path() / "f", std::ios::binary) << text; }
  FilesBackupResult reported() {
    FilesBackupResult result;
    problems.move_to(result);
    return result;
  }
};

}  // namespace

TEST_CASE(
    "a file that changed while it was read is read again, and marked after the last attempt") {
  OneFile one("before");
  const auto fd = open_to_read(one.job, one.problems).value();
  CHECK(settle_reading(one.job, fd->get(), 6, 0, one.problems).value() == ReadEnd::taken);
  CHECK(settle_reading(one.job, fd->get(), 5, 0, one.problems).value() == ReadEnd::again);
  one.put("after all");
  CHECK(settle_reading(one.job, fd->get(), 6, 0, one.problems).value() == ReadEnd::again);
  CHECK(one.job.facts.size == 9);
  CHECK(one.job.facts.name == "f");
  one.put("and again!");
  CHECK(settle_reading(one.job, fd->get(), 9, read_again_max - 1, one.problems).value() ==
        ReadEnd::taken);
  CHECK(one.reported().changed_while_read.count == 1);
}

TEST_CASE("a small file that grew since the walk is stored as it is now") {
  OneFile one("small");
  const std::string grown(3'000'000, 'g');
  one.put(grown);
  const auto chunker = repo::Chunker::make(one.repository.config().chunker_polynomial).value();
  const ReaderSetup setup{one.writer, chunker, one.counters, one.problems,
                          one.repository.context()};
  SmallFileReader reader(setup);
  std::vector<FileJob> batch;
  batch.push_back(std::move(one.job));
  REQUIRE(reader.save(batch).has_value());
  REQUIRE(one.tree->close().has_value());
  REQUIRE(one.writer.finish().has_value());
  const auto nodes = one.repository.load_tree(*one.run.root).value();
  REQUIRE(nodes.size() == 1);
  CHECK(nodes[0].size == grown.size());
  Bytes content;
  for (const auto& id : nodes[0].content)
    append(content, one.repository.load_blob({repo::BlobType::data, id}).value());
  CHECK(as_text(content) == grown);
}

TEST_CASE("what vanished is left out in silence, what became a link is reported") {
  OneFile gone("x");
  std::filesystem::remove(gone.scratch.path() / "f");
  CHECK_FALSE(open_to_read(gone.job, gone.problems).value().has_value());
  CHECK(gone.reported().unreadable.count == 0);
  REQUIRE(gone.tree->close().has_value());
  CHECK(gone.run.root->hex() == "ac08ce34ba4f8123618661bef2425f7028ffb9ac740578a3ee88684d2523fee8");

  OneFile swapped("x");
  std::filesystem::remove(swapped.scratch.path() / "f");
  std::filesystem::create_symlink("/etc/passwd", swapped.scratch.path() / "f");
  CHECK_FALSE(open_to_read(swapped.job, swapped.problems).value().has_value());
  CHECK(swapped.reported().unreadable.count == 1);
}

TEST_CASE("trees are stored bottom-up in the order of names, whatever gets ready first") {
  test::MemoryRepository memory;
  auto repository = memory.open_indexed();
  auto writer = repo::Writer::make(repository).value();
  BackupCounters counters;
  TreeInProgress::Run run{writer, counters};
  const auto root = std::make_shared<TreeInProgress>(run);
  const auto named = [](const char* name, repo::NodeType type) {
    repo::Node node;
    node.name = name;
    node.type = type;
    return node;
  };
  const auto a = root->reserve();
  const auto child =
      std::make_shared<TreeInProgress>(run, root, named("b", repo::NodeType::dir), PreviousTree{});
  const auto c = root->reserve();
  const auto d = root->reserve();
  const auto inner = child->reserve();
  REQUIRE(root->fill(d, named("d", repo::NodeType::file)).has_value());
  REQUIRE(root->close().has_value());
  REQUIRE(root->drop(c).has_value());
  REQUIRE(child->close().has_value());
  REQUIRE(root->fill(a, named("a", repo::NodeType::file)).has_value());
  CHECK_FALSE(run.root.has_value());
  REQUIRE(child->fill(inner, named("x", repo::NodeType::fifo)).has_value());
  REQUIRE(run.root.has_value());
  REQUIRE(writer.finish().has_value());
  const auto nodes = repository.load_tree(*run.root).value();
  REQUIRE(nodes.size() == 3);
  CHECK(nodes[0].name == "a");
  CHECK(nodes[1].name == "b");
  CHECK(repository.load_tree(*nodes[1].subtree).value().front().name == "x");
  CHECK(nodes[2].name == "d");
  CHECK(counters.dirs_new == 1);
}

TEST_CASE("the ring gives contiguous room, keeps lent bytes and waits for their release") {
  auto ring = MirroredRing::make(64 * 1024).value();
  std::vector<MirroredRing::Loan> loans;
  for (std::uint8_t round = 0; round < 40; ++round) {
    const auto room = ring.writable();
    REQUIRE(room.size() >= 10000);
    std::fill_n(room.begin(), 10000, round);
    const auto begin = ring.written();
    ring.produced(10000);
    const auto view = ring.view(begin, 10000);
    CHECK(std::all_of(view.begin(), view.end(), [&](auto byte) { return byte == round; }));
    loans.push_back(ring.lend(ring.written()));
    if (loans.size() < 4) continue;
    ring.release(loans[1]);  // out of order: nothing is free before the first is back
    ring.release(loans[0]);
    loans.erase(loans.begin(), loans.begin() + 2);
  }
  ring.close();
}
