#include "recover/restore_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "doubles/memory_repository.hpp"
#include "doubles/scratch_directory.hpp"
#include "recover/restore_window.hpp"
#include "recover/restored_entry.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"

using namespace holdfast;
using namespace holdfast::recover;
namespace fs = std::filesystem;
using repo::NodeType;

namespace {

Bytes noise(std::size_t size, std::uint64_t seed) {
  SeededRng rng(seed);
  Bytes bytes(size);
  rng.fill(bytes);
  return bytes;
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Snapshots made by hand, so that they can say what no file system would.
struct Restores {
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  repo::Writer writer = repo::Writer::make(repository).value();
  test::ScratchDirectory scratch;
  fs::path target = scratch.path() / "target";

  repo::Node node(std::string name, NodeType type) {
    repo::Node made;
    made.name = std::move(name);
    made.type = type;
    made.mode = type == NodeType::dir ? (1U << 31 | 0755U) : 0644U;
    made.mtime = made.atime = made.ctime = {1'600'000'000, 123'456'789, 0};
    made.uid = ::geteuid();
    made.gid = ::getegid();
    return made;
  }
  repo::Node file(std::string name, std::initializer_list<ByteView> pieces) {
    auto made = node(std::move(name), NodeType::file);
    for (const auto& piece : pieces) {
      made.content.push_back(writer.save(repo::BlobType::data, piece).value().id);
      made.size += piece.size();
    }
    return made;
  }
  repo::Node file(std::string name, std::string_view text) {
    return file(std::move(name), {as_bytes(text)});
  }
  repo::Node link(std::string name, std::string to) {
    auto made = node(std::move(name), NodeType::symlink);
    made.link_target = std::move(to);
    return made;
  }
  repo::Node directory(std::string name, std::vector<repo::Node> nodes) {
    auto made = node(std::move(name), NodeType::dir);
    made.subtree = tree(nodes);
    return made;
  }
  repo::BlobId tree(const std::vector<repo::Node>& nodes) {
    repo::TreeEncoder encoder;
    for (const auto& one : nodes) encoder.add_unchecked(one);
    return writer.save(repo::BlobType::tree, encoder.finish()).value().id;
  }
  void publish(const std::vector<repo::Node>& nodes) {
    repo::Snapshot snapshot;
    snapshot.time = repo::make_node_time(memory.clock.now());
    memory.clock.advance(std::chrono::seconds(1));
    snapshot.tree = tree(nodes);
    snapshot.paths = {"/"};
    REQUIRE(writer.publish_snapshot(snapshot).has_value());
  }
  RestoreFilesOptions options(std::string snapshot = "latest") const {
    RestoreFilesOptions chosen;
    chosen.snapshot = std::move(snapshot);
    chosen.to = target.string();
    chosen.threads = 2;
    return chosen;
  }
  RestoreFilesResult run(const RestoreFilesOptions& chosen) {
    auto opened = memory.open_indexed();
    auto result = restore_files(opened, chosen);
    REQUIRE_MESSAGE(result.has_value(), test::MemoryRepository::describe_failure(result));
    return std::move(*result);
  }
  RestoreFilesResult run() { return run(options()); }
};

}  // namespace

TEST_CASE("a hostile tree writes nothing outside its target") {
  Restores restores;
  fs::create_directories(restores.scratch.path() / "outside");
  const auto outside = (restores.scratch.path() / "outside").string();
  restores.publish({
      restores.file("../escape-1", "x"),
      restores.file("..", "x"),
      restores.file("/tmp/holdfast-escape", "x"),
      restores.file(std::string("nul\0name", 8), "x"),
      restores.file("", "x"),
      restores.directory("..", {restores.file("escape-2", "x")}),
      restores.directory("a/../..", {restores.file("escape-3", "x")}),
      restores.link("dir", outside),
      restores.directory("dir", {restores.file("escape-4", "x")}),
      restores.link("door", "../outside"),
      restores.file("good", "fine"),
      restores.directory("zdoor", {restores.link("s", outside),
                                   restores.directory("s", {restores.file("escape-5", "x")}),
                                   restores.file("t", "x")}),
      restores.directory("door", {restores.file("escape-6", "x")}),
      restores.file("door", "through the link"),
  });
  for (const auto overwrite : {Overwrite::never, Overwrite::yes}) {
    auto options = restores.options();
    options.overwrite = overwrite;
    const auto result = restores.run(options);
    CHECK_FALSE(result.is_complete());
    CHECK(result.failures.count >= 7);
    CHECK(fs::is_empty(outside));
    CHECK_FALSE(fs::exists("/tmp/holdfast-escape"));
    std::size_t in_scratch = 0;
    for ([[maybe_unused]] const auto& one : fs::directory_iterator(restores.scratch.path()))
      ++in_scratch;
    CHECK(in_scratch == 2);
    CHECK(text_of(restores.target / "good") == "fine");
  }
}

TEST_CASE("a symlink planted in the target is not followed") {
  Restores restores;
  fs::create_directories(restores.scratch.path() / "outside");
  fs::create_directories(restores.target);
  fs::create_symlink("../outside", restores.target / "etc");
  restores.publish({restores.directory("etc", {restores.file("passwd", "x")})});
  auto options = restores.options();
  options.overwrite = Overwrite::yes;
  CHECK(restores.run(options).conflicts.count == 1);
  CHECK(fs::is_empty(restores.scratch.path() / "outside"));
}

TEST_CASE("files of one and of many pieces are restored with their metadata") {
  Restores restores;
  const auto one = noise(900'000, 1);
  const auto two = noise(1'500'000, 2);
  auto script = restores.file("script", "run");
  script.mode = 0755U | 1U << 23;
  restores.publish(
      {restores.directory("d", {restores.file("large", {one, two, one}),
                                restores.file("none", std::initializer_list<ByteView>{}),
                                restores.link("to", "no\xffwhere")}),
       restores.node("pipe", NodeType::fifo), script});
  auto options = restores.options();
  options.read_back = ReadBack::yes;
  const auto result = restores.run(options);
  CHECK(result.is_complete());
  CHECK(result.files == 3);
  CHECK(result.directories == 1);
  CHECK(result.links == 1);
  CHECK(result.others == 1);
  CHECK(result.bytes == 3'300'003);
  CHECK(result.bytes_read_back == result.bytes);
  CHECK(result.blobs_fetched == 3);  // the repeated piece once
  Bytes whole = one;
  append(whole, two);
  append(whole, one);
  CHECK(text_of(restores.target / "d/large") == as_text(whole));
  CHECK(fs::file_size(restores.target / "d/none") == 0);
  CHECK(fs::read_symlink(restores.target / "d/to") == "no\xffwhere");
  for (const auto* path : {"d", "d/large", "d/none", "d/to", "pipe", "script"}) {
    struct stat status{};
    REQUIRE(::lstat((restores.target / path).c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == 1'600'000'000);
    CHECK(status.st_mtim.tv_nsec == 123'456'789);
  }
  struct stat status{};
  REQUIRE(::stat((restores.target / "script").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 04755U);
}

TEST_CASE("what is there already is verified and kept, what differs stays unless asked") {
  Restores restores;
  restores.publish({restores.file("changed", "ours"), restores.directory("d", {}),
                    restores.file("same", "same"), restores.link("to", "here")});
  CHECK(restores.run().files == 2);
  std::ofstream(restores.target / "changed") << "mine";
  REQUIRE(::chmod((restores.target / "same").c_str(), 0600) == 0);
  const auto again = restores.run();
  CHECK(again.files == 0);
  CHECK(again.files_kept == 1);
  CHECK(again.conflicts.count == 1);
  CHECK(again.bytes_fetched == 0);
  CHECK(text_of(restores.target / "changed") == "mine");
  struct stat status{};
  REQUIRE(::stat((restores.target / "same").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0644U);
  auto options = restores.options();
  options.overwrite = Overwrite::yes;
  CHECK(restores.run(options).is_complete());
  CHECK(text_of(restores.target / "changed") == "ours");
  fs::remove(restores.target / "changed");
  fs::create_directory(restores.target / "changed");
  CHECK(restores.run(options).conflicts.count == 1);
}

TEST_CASE("a restore that was interrupted fetches only what is missing") {
  Restores restores;
  const auto one = noise(700'000, 1);
  const auto two = noise(800'000, 2);
  restores.publish({restores.file("large", {one, two})});
  // What a run that died after the first piece leaves behind.
  auto target = dataset::RestoreDirectory::open(restores.target.string()).value();
  const auto nodes =
      restores.repository
          .load_tree(restores.repository.find_snapshot("latest").value().snapshot.tree)
          .value();
  {
    const auto partial =
        dataset::open_partial(target->place("large").value(), hash_of_content(nodes[0].content))
            .value();
    REQUIRE(::ftruncate(partial.fd.get(), 1'500'000) == 0);
    REQUIRE(write_all_at(partial.fd.get(), one, 0).has_value());
    REQUIRE(write_all_at(partial.fd.get(), as_bytes("rubbish"), 900'000).has_value());
  }
  const auto result = restores.run();
  CHECK(result.is_complete());
  CHECK(result.bytes_kept == 700'000);
  CHECK(result.blobs_fetched == 1);
  CHECK(text_of(restores.target / "large") ==
        std::string(as_text(one)) + std::string(as_text(two)));
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(restores.target)) ++entries;
  CHECK(entries == 1);
}

TEST_CASE("hard links are made again, and a tree that lies about them is not believed") {
  Restores restores;
  auto first = restores.file("a", "shared");
  first.inode = 7;
  first.device_id = 1;
  first.links = 3;
  auto second = first;
  second.name = "b";
  auto liar = restores.file("c", "other");
  liar.inode = 7;
  liar.device_id = 1;
  liar.links = 3;
  restores.publish({first, second, liar});
  auto result = restores.run();
  CHECK(result.is_complete());
  CHECK(result.hard_links == 1);
  CHECK(fs::hard_link_count(restores.target / "a") == 2);
  CHECK(text_of(restores.target / "c") == "other");
  CHECK(restores.run().is_complete());
  // The first name is taken by something else: the second still gets the content.
  fs::remove_all(restores.target);
  fs::create_directories(restores.target);
  std::ofstream(restores.target / "a") << "mine";
  result = restores.run();
  CHECK(result.conflicts.count == 1);
  CHECK(text_of(restores.target / "b") == "shared");
}

TEST_CASE("include and exclude choose by the words of gitignore") {
  Restores restores;
  restores.publish({restores.directory(
      "srv", {restores.directory("app", {restores.file("a.env", "1"), restores.file("b.log", "2")}),
              restores.directory("empty", {}),
              restores.directory("web", {restores.file("a.env", "3")})})});
  const auto files_of = [&](const RestoreFilesOptions& options) {
    fs::remove_all(restores.target);
    CHECK(restores.run(options).is_complete());
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(restores.target))
      found.insert(fs::relative(entry.path(), restores.target).string());
    return found;
  };
  using Found = std::set<std::string>;
  auto options = restores.options();
  options.include = {"*.env"};
  CHECK(files_of(options) == Found{"srv", "srv/app", "srv/app/a.env", "srv/web", "srv/web/a.env"});
  options.include = {"/srv/app"};
  CHECK(files_of(options) == Found{"srv", "srv/app", "srv/app/a.env", "srv/app/b.log"});
  options.exclude = {"*.log"};
  CHECK(files_of(options) == Found{"srv", "srv/app", "srv/app/a.env"});
  options = restores.options("latest:srv/web");
  CHECK(files_of(options) == Found{"a.env"});
  options = restores.options("latest:/srv/app/b.log");
  CHECK(files_of(options) == Found{"b.log"});
  options = restores.options("latest:srv/none");
  auto opened = restores.memory.open_indexed();
  CHECK(restore_files(opened, options).error().code == ErrorCode::not_found);
}

TEST_CASE("a dry run counts and makes nothing") {
  Restores restores;
  restores.publish(
      {restores.directory("d", {restores.file("f", "12345")}), restores.link("l", "d/f")});
  auto options = restores.options();
  options.dry_run = DryRun::yes;
  const auto result = restores.run(options);
  CHECK(result.files == 1);
  CHECK(result.directories == 1);
  CHECK(result.links == 1);
  CHECK(result.bytes == 5);
  CHECK_FALSE(fs::exists(restores.target));
  restores.run();
  CHECK(restores.run(options).files_kept == 2);
}

TEST_CASE("a damaged or missing blob fails its files and no others") {
  Restores restores;
  restores.publish({restores.file("bad", "to be lost"), restores.file("good", "stays"),
                    restores.file("worse", "to be lost")});
  auto broken = restores.file("none", "x");
  broken.content.front().bytes[0] ^= 1;
  restores.publish({broken, restores.file("good", "stays")});
  const auto result = restores.run();
  CHECK(result.failures.count == 1);
  CHECK(text_of(restores.target / "good") == "stays");
  CHECK_FALSE(fs::exists(restores.target / "none"));
}

TEST_CASE("neighbours are fetched together, far ones and other packs apart") {
  const auto needed = [](std::uint32_t pack, std::uint32_t offset, std::uint32_t length) {
    NeededBlob one;
    one.blob.pack = pack;
    one.blob.offset = offset;
    one.blob.length = length;
    return one;
  };
  const auto plan = plan_fetches({needed(2, 0, 10), needed(1, 200'000, 10), needed(1, 0, 10),
                                  needed(1, 10, 90), needed(1, 0, 10), needed(1, 150, 10)});
  REQUIRE(plan.runs.size() == 3);
  CHECK(plan.runs[0].count == 3);
  CHECK(plan.runs[1].count == 1);
  CHECK(plan.runs[2].count == 1);
  CHECK(plan.blobs.size() == 5);
  CHECK(plan.blobs[0].use_count == 2);
  CHECK(plan.uses.size() == 6);
  const auto split =
      plan_fetches({needed(1, 0, fetch_run_bytes_max), needed(1, fetch_run_bytes_max, 1)});
  CHECK(split.runs.size() == 2);
}
