#include "dataset/files_walk.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "dataset/files_metadata.hpp"
#include "doubles/scratch_directory.hpp"

using namespace holdfast;
using namespace holdfast::dataset;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, std::string_view text) {
  if (path.has_parent_path()) fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// Writes down what it is shown, one word each: "+dir", "-", "file", "!path", "x path reason".
class Recorder final : public WalkVisitor {
 public:
  Result<void> enter(const FoundEntry& directory) override {
    events.push_back("+" + directory.entry.name);
    return {};
  }
  Result<void> leave() override {
    events.emplace_back("-");
    return {};
  }
  Result<void> found(const FoundEntry& entry) override {
    events.push_back(entry.entry.name);
    if (stop_at == entry.entry.name) return fail(ErrorCode::interrupted, "enough");
    FileEntry again;
    CHECK(read_facts(entry.parent->fd, entry.open_name, again).has_value());
    CHECK(again.inode == entry.entry.inode);
    return {};
  }
  void unreadable(std::string_view path, const Error& error) override {
    events.push_back("!" + fs::path(path).filename().string() + " " +
                     std::string(name_of(error.code)));
  }
  void excluded(std::string_view path, ExcludeReason reason) override {
    events.push_back("x " + fs::path(path).filename().string() + " " +
                     std::string(name_of(reason)));
  }

  std::vector<std::string> events;
  std::string stop_at;
};

using Events = std::vector<std::string>;

Events walk(const std::vector<std::string>& paths, const ExcludeOptions& exclude = {}) {
  Recorder recorder;
  WalkOptions options;
  options.exclude = ExcludeRules::make(exclude).value();
  const auto tree = build_target_tree(paths).value();
  REQUIRE(walk_targets(tree, options, recorder).has_value());
  return recorder.events;
}

// Everything a test does happens in a directory of its own, which is also the current one.
struct Scratch {
  Scratch() : before(fs::current_path()) { fs::current_path(directory.path()); }
  ~Scratch() { fs::current_path(before); }
  test::ScratchDirectory directory;
  fs::path before;
};

}  // namespace

TEST_CASE("entries come in the order of their raw bytes, whatever the locale") {
  const Scratch scratch;
  for (const auto* name : {"d/b", "d/B", "d/\xff", "d/a-", "d/a/x", "d/a.", "d/\xc3\xa4"})
    write(name, "x");
  CHECK(walk({"d"}) ==
        Events{"+", "+d", "B", "+a", "x", "-", "a-", "a.", "b", "\xc3\xa4", "\xff", "-", "-"});
}

TEST_CASE("an absolute target keeps its path, a relative one its components without dots") {
  const Scratch scratch;
  write("x/y/f", "1");
  const auto root = scratch.directory.path();
  Events expected{"+"};
  for (const auto& part : root.relative_path()) expected.push_back("+" + part.string());
  expected.insert(expected.end(), {"+x", "+y", "f", "-", "-"});
  for ([[maybe_unused]] const auto& part : root.relative_path()) expected.emplace_back("-");
  expected.emplace_back("-");
  CHECK(walk({(root / "x").string()}) == expected);
  fs::current_path(root / "x");
  CHECK(walk({"../x/y"}) == Events{"+", "+x", "+y", "f", "-", "-", "-"});
  CHECK(walk({"./y/"}) == Events{"+", "+y", "f", "-", "-"});
  CHECK(walk({"."}) == Events{"+", "+y", "f", "-", "-"});
}

TEST_CASE("two targets of the same name from different places both find room") {
  const Scratch scratch;
  write("here/x/f", "1");
  write("x/g", "2");
  fs::current_path("here");
  CHECK(walk({"x", "../x"}) == Events{"+", "+x", "f", "-", "+x-1", "g", "-", "-"});
}

TEST_CASE("a target inside another target is walked once") {
  const Scratch scratch;
  write("x/y/f", "1");
  write("x/z", "1");
  CHECK(walk({"x", "x/y"}) == Events{"+", "+x", "+y", "f", "-", "z", "-", "-"});
  CHECK(walk({"x/y", "x"}) == Events{"+", "+x", "+y", "f", "-", "z", "-", "-"});
}

TEST_CASE("what is missing is reported when it is a target, sockets are left out") {
  const Scratch scratch;
  write("d/f", "1");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "d/socket");
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
  CHECK(walk({"d", "gone"}) == Events{"+", "+d", "f", "-", "!gone not_found", "-"});
}

TEST_CASE("excludes are the words of gitignore, seen from the target") {
  const Scratch scratch;
  for (const auto* name : {"d/a.o", "d/keep.o", "d/cache/x", "d/sub/cache/y", "d/sub/b.o"})
    write(name, "x");
  ExcludeOptions exclude;
  exclude.patterns = {"*.o", "!keep.o", "sub/cache"};
  CHECK(walk({"d"}, exclude) == Events{"+", "+d", "x a.o pattern", "+cache", "x", "-", "keep.o",
                                       "+sub", "x b.o pattern", "x cache pattern", "-", "-", "-"});
  write("patterns", "cache/\n*.o\n");
  exclude = {};
  exclude.pattern_files = {"patterns"};
  CHECK(walk({"d/sub"}, exclude) ==
        Events{"+", "+d", "+sub", "x b.o pattern", "x cache pattern", "-", "-", "-"});
  exclude = {};
  exclude.patterns = {(scratch.directory.path() / "d/cache").string()};
  CHECK(walk({"d/cache"}, exclude) == Events{"+", "+d", "x cache pattern", "-", "-"});
}

TEST_CASE("a marked directory keeps only its mark") {
  const Scratch scratch;
  write("d/c/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\nmore");
  write("d/c/big", "x");
  write("d/e/CACHEDIR.TAG", "something else");
  write("d/n/.nobackup", "");
  write("d/n/f", "x");
  ExcludeOptions exclude;
  exclude.caches = true;
  exclude.if_present = {".nobackup", "CACHEDIR.TAG:some"};
  CHECK(walk({"d"}, exclude) == Events{"+", "+d", "+c", "CACHEDIR.TAG", "x big marked directory",
                                       "-", "+e", "CACHEDIR.TAG", "-", "+n", ".nobackup",
                                       "x f marked directory", "-", "-", "-"});
  exclude.if_present = {"a/b"};
  CHECK(ExcludeRules::make(exclude).error().code == ErrorCode::usage);
}

TEST_CASE("large files can be left out by size") {
  const Scratch scratch;
  write("d/small", "12345");
  write("d/large", "123456");
  ExcludeOptions exclude;
  exclude.larger_than_bytes = 5;
  CHECK(walk({"d"}, exclude) == Events{"+", "+d", "x large too large", "small", "-", "-"});
}

TEST_CASE("another file system is kept as an empty directory unless asked for") {
  FileEntry root;
  FileEntry proc;
  if (!read_facts(current_directory, "/", root).has_value() ||
      !read_facts(current_directory, "/proc/self", proc, LinkPolicy::follow).has_value() ||
      root.device_id == proc.device_id)
    return;
  Recorder recorder;
  WalkOptions options;
  ExcludeOptions exclude;  // everything of the root but the mount point
  exclude.patterns = {"/*", "!/proc"};
  options.exclude = ExcludeRules::make(exclude).value();
  REQUIRE(walk_targets(build_target_tree({"/"}).value(), options, recorder).has_value());
  const auto mount = std::find(recorder.events.begin(), recorder.events.end(), "+proc");
  REQUIRE(mount != recorder.events.end());
  CHECK(*(mount - 1) == "x proc other file system");
  CHECK(*(mount + 1) == "-");
}

TEST_CASE("symlinks are never followed and the visitor's error ends the walk") {
  const Scratch scratch;
  write("d/real/f", "x");
  fs::create_symlink("real", "d/link");
  CHECK(walk({"d"}) == Events{"+", "+d", "link", "+real", "f", "-", "-", "-"});
  CHECK(walk({"d/link"}) == Events{"+", "+d", "link", "-", "-"});
  CHECK(walk({"d/link/f"}) == Events{"+", "+d", "+link", "f", "-", "-", "-"});
  Recorder recorder;
  recorder.stop_at = "link";
  const auto result = walk_targets(build_target_tree({"d"}).value(), {}, recorder);
  CHECK(result.error().code == ErrorCode::interrupted);
}

TEST_CASE("globs are expanded in sorted order and those that match nothing are named") {
  const Scratch scratch;
  for (const auto* name : {"conf/b.json", "conf/a.json", "conf/x/c.json", "conf/[x]", "conf/.h"})
    write(name, "x");
  const auto expand = [](const char* glob) { return expand_globs({glob}).value().paths; };
  CHECK(expand("conf/*.json") == Events{"conf/a.json", "conf/b.json"});
  CHECK(expand("conf/**/*.json") == Events{"conf/a.json", "conf/b.json", "conf/x/c.json"});
  CHECK(expand("conf/**") == Events{"conf/.h", "conf/[x]", "conf/a.json", "conf/b.json", "conf/x"});
  CHECK(expand("conf/[x]") == Events{"conf/[x]"});
  CHECK(expand("*/x/c.json") == Events{"conf/x/c.json"});
  const auto absolute = (scratch.directory.path() / "co??").string();
  CHECK(expand_globs({absolute}).value().paths ==
        Events{(scratch.directory.path() / "conf").string()});
  const auto none = expand_globs({"conf/*.yaml", "plain"}).value();
  CHECK(none.unmatched == Events{"conf/*.yaml"});
  CHECK(none.paths == Events{"plain"});
}

TEST_CASE("paths are cleaned by text alone") {
  for (const auto& [path, cleaned] :
       std::initializer_list<std::pair<const char*, const char*>>{{"", "."},
                                                                  {"a//b/./c", "a/b/c"},
                                                                  {"a/../..", ".."},
                                                                  {"/..", "/"},
                                                                  {"/a/b/..", "/a"},
                                                                  {"../x/..", ".."},
                                                                  {"./", "."}})
    CHECK(clean_path(path) == cleaned);
  CHECK(build_target_tree({}).error().code == ErrorCode::usage);
}

TEST_CASE("facts and details are what the file system says") {
  const Scratch scratch;
  write("f", "12345");
  REQUIRE(::chmod("f", 04751) == 0);
  const std::array<timespec, 2> times{timespec{-5, 7}, timespec{1500000000, 123456789}};
  REQUIRE(::utimensat(AT_FDCWD, "f", times.data(), 0) == 0);
  const bool has_attributes = ::setxattr("f", "user.note", "\0x", 2, 0) == 0;
  REQUIRE(::link("f", "g") == 0);
  REQUIRE(::symlink("no\xffwhere", "l") == 0);
  FileEntry entry;
  std::vector<std::string> warnings;
  REQUIRE(read_facts(current_directory, "f", entry).has_value());
  CHECK(entry.kind == FileKind::file);
  CHECK(entry.permissions == 04751);
  CHECK(go_mode_of(entry.kind, entry.permissions) == (0751U | 1U << 23));
  CHECK(permissions_of_go_mode(go_mode_of(entry.kind, entry.permissions)) == 04751);
  CHECK(entry.mtime == FileTime{1500000000, 123456789});
  CHECK(entry.atime == FileTime{-5, 7});
  CHECK(entry.size == 5);
  CHECK(entry.links == 2);
  const Fd here(::open(".", O_RDONLY | O_DIRECTORY));
  REQUIRE(read_details(here.get(), "f", entry, warnings).has_value());
  if (has_attributes) {
    REQUIRE(entry.attributes.size() == 1);
    CHECK(entry.attributes[0] == FileAttribute{"user.note", to_bytes(as_bytes({"\0x", 2}))});
  }
  REQUIRE(read_facts(here.get(), "l", entry).has_value());
  REQUIRE(read_details(here.get(), "l", entry, warnings).has_value());
  CHECK(entry.link_target == "no\xffwhere");
  CHECK(warnings.empty());
  CHECK(read_facts(here.get(), "none", entry).error().code == ErrorCode::not_found);
  OwnerNames names;
  CHECK(names.user(0) == "root");
  CHECK(names.group(4294967294U).empty());
}

TEST_CASE("Go's mode bits are those of the format's examples") {
  CHECK(go_mode_of(FileKind::directory, 0755) == 2147484141U);
  CHECK(go_mode_of(FileKind::symlink, 0777) == 134218239U);
  CHECK(go_mode_of(FileKind::directory, 01777) == 2148532735U);
  CHECK(go_mode_of(FileKind::fifo, 0644) == 33554852U);
  CHECK(go_mode_of(FileKind::block_device, 0640) == 67109280U);
}
