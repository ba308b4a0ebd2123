#include "recover/browse_files.hpp"

#include <doctest/doctest.h>

#include "doubles/memory_repository.hpp"
#include "recover/snapshot_walk.hpp"
#include "repo/tree.hpp"
#include "repo/writer.hpp"

using namespace holdfast;
using namespace holdfast::recover;
using repo::NodeType;
using Lines = std::vector<std::string>;

namespace {

// Snapshots of "/srv" made by hand, a day apart.
struct History {
  test::MemoryRepository memory;
  repo::Repository repository = memory.open_indexed();
  repo::Writer writer = repo::Writer::make(repository).value();

  repo::Node file(std::string name, std::string_view text, std::int64_t mtime = 1) {
    repo::Node node;
    node.name = std::move(name);
    node.mtime.seconds = mtime;
    node.size = text.size();
    if (!text.empty())
      node.content.push_back(writer.save(repo::BlobType::data, as_bytes(text)).value().id);
    return node;
  }
  repo::Node directory(std::string name, const std::vector<repo::Node>& nodes) {
    repo::Node node;
    node.name = std::move(name);
    node.type = NodeType::dir;
    node.subtree = writer.save(repo::BlobType::tree, repo::encode_tree(nodes)).value().id;
    return node;
  }
  std::string take(const std::vector<repo::Node>& below_srv, std::string host = "shop",
                   std::string path = "/srv") {
    repo::Snapshot snapshot;
    snapshot.time = repo::make_node_time(memory.clock.now());
    memory.clock.advance(std::chrono::hours(24));
    snapshot.hostname = std::move(host);
    snapshot.paths = {path};
    snapshot.tree = writer
                        .save(repo::BlobType::tree,
                              repo::encode_tree(std::vector{directory(path.substr(1), below_srv)}))
                        .value()
                        .id;
    return writer.publish_snapshot(snapshot).value().hex();
  }
};

BrowseVisitor into(Lines& lines) {
  return [&lines](const BrowsedEntry& entry) -> Result<void> {
    lines.emplace_back(entry.path);
    return {};
  };
}

}  // namespace

TEST_CASE("a place is a snapshot and a path without needless slashes") {
  CHECK(parse_snapshot_place("latest").path.empty());
  CHECK(parse_snapshot_place("ab12:/srv//app/./x/").path == "srv/app/x");
  CHECK(parse_snapshot_place("ab12:/srv").snapshot == "ab12");
  CHECK(parse_snapshot_place("ab12:").path.empty());
}

TEST_CASE("listing shows one level or all below, or the file itself") {
  History history;
  history.take({history.directory("app", {history.file("x", "1")}), history.file("b", "2")});
  const auto list = [&](const char* place, Depth depth) {
    Lines lines;
    const auto result = list_files(history.repository, place, depth, into(lines));
    REQUIRE(result.has_value());
    CHECK(result->problems.empty());
    return lines;
  };
  CHECK(list("latest", Depth::one_level) == Lines{"/srv"});
  CHECK(list("latest", Depth::all) == Lines{"/srv", "/srv/app", "/srv/app/x", "/srv/b"});
  CHECK(list("latest:/srv", Depth::one_level) == Lines{"/srv/app", "/srv/b"});
  CHECK(list("latest:srv/b", Depth::one_level) == Lines{"/srv/b"});
  Lines none;
  CHECK(list_files(history.repository, "latest:srv/c", Depth::all, into(none)).error().message ==
        "srv/c is not in the snapshot");
}

TEST_CASE("finding goes through all snapshots and reads what is the same only once") {
  History history;
  const auto quiet = history.directory("quiet", {history.file("y", "1")});
  history.take({history.file("a.env", "1"), quiet});
  const auto second = history.take({history.file("a.env", "2"), quiet});
  FindOptions options;
  options.patterns = {"*.env", "/srv/quiet"};
  Lines lines;
  REQUIRE(find_files(history.repository, options, into(lines)).has_value());
  CHECK(lines == Lines{"/srv/a.env", "/srv/quiet", "/srv/a.env", "/srv/quiet"});
  lines.clear();
  options.snapshots = {second.substr(0, 8)};
  options.patterns = {"y"};
  REQUIRE(find_files(history.repository, options, into(lines)).has_value());
  CHECK(lines == Lines{"/srv/quiet/y"});
}

TEST_CASE("printing gives the content and refuses what has none") {
  History history;
  history.take({history.file("f", "hello"), history.directory("d", {})});
  std::string text;
  const ContentVisitor visit = [&](ByteView piece) -> Result<void> {
    text += as_text(piece);
    return {};
  };
  REQUIRE(print_file(history.repository, "latest:/srv/f", visit).has_value());
  CHECK(text == "hello");
  CHECK(print_file(history.repository, "latest:srv/d", visit).error().code == ErrorCode::refused);
}

TEST_CASE("a difference says what happened to each entry") {
  History history;
  const auto same = history.directory("same", {history.file("s", "1")});
  auto touched = history.file("touched", "1", 5);
  const auto before = history.take({history.file("changed", "1"), history.file("gone", "123"),
                                    history.directory("kind", {history.file("k", "1")}), same,
                                    history.file("touched", "1", 1)});
  const auto after =
      history.take({history.file("changed", "2"), history.file("kind", "1"),
                    history.directory("new", {history.file("n", "12")}), same, touched});
  Lines lines;
  const auto result = diff_files(
      history.repository, before, after, [&](const Difference& difference) -> Result<void> {
        const char* signs = "+-MUT";
        lines.push_back(signs[static_cast<int>(difference.kind)] + difference.path);
        return {};
      });
  REQUIRE(result.has_value());
  CHECK(lines == Lines{"M/srv/changed", "-/srv/gone", "T/srv/kind", "-/srv/kind/k", "+/srv/new",
                       "+/srv/new/n", "U/srv/touched"});
  CHECK(result->added == 2);
  CHECK(result->removed == 2);
  CHECK(result->bytes_added == 2);
  CHECK(result->bytes_removed == 4);
  const auto nothing =
      diff_files(history.repository, before, before, [](const Difference&) -> Result<void> {
        return fail(ErrorCode::failed, "a snapshot equals itself");
      });
  CHECK(nothing.has_value());
}

TEST_CASE("versions are the states of one path, equal ones in a row told once") {
  History history;
  history.take({history.file("other", "1")});
  const auto second = history.take({history.file("f", "one")});
  history.take({history.file("f", "one", 7), history.file("other", "2")});
  history.take({history.file("g", "x")}, "shop", "/elsewhere");
  const auto fourth = history.take({history.file("f", "two")});
  history.take({}, "shop");
  history.take({history.file("f", "three")}, "other");
  VersionsOptions options{"/srv/f", std::nullopt};
  const auto all = versions_of_file(history.repository, options).value();
  REQUIRE(all.size() == 4);
  CHECK(all[0].first.id.hex() == second);
  CHECK(all[0].snapshot_count == 2);
  CHECK(all[1].first.id.hex() == fourth);
  CHECK_FALSE(all[2].node);
  CHECK(all[3].node->size == 5);
  options.hostname = "shop";
  CHECK(versions_of_file(history.repository, options).value().size() == 3);
  options.path = "srv/never";
  CHECK(versions_of_file(history.repository, options).value().empty());
}
