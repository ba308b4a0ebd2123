#include "dataset/patterns.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/rng.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

namespace {

PatternSet set_of(std::initializer_list<const char*> lines) {
  PatternSet set;
  for (const auto* line : lines) REQUIRE(set.add_line(line).has_value());
  return set;
}

bool selects(std::initializer_list<const char*> lines, std::string_view path,
             EntryShape shape = EntryShape::other) {
  return set_of(lines).selects(path, shape);
}

// Runs git in a fresh directory: the paths of `tree` that its .gitignore hides.
std::set<std::string> ignored_by_git(const std::filesystem::path& root, const std::string& ignore,
                                     const std::vector<std::string>& paths) {
  std::ofstream(root / ".gitignore", std::ios::binary) << ignore;
  {
    std::ofstream list(root / ".git/list", std::ios::binary);
    for (const auto& path : paths) list << path << '\0';
  }
  const auto command = "cd " + root.string() +
                       " && git check-ignore --no-index -z --stdin <.git/list >.git/out 2>&1";
  static_cast<void>(std::system(command.c_str()));
  std::ifstream out(root / ".git/out", std::ios::binary);
  std::set<std::string> ignored;
  for (std::string path; std::getline(out, path, '\0');) ignored.insert(path);
  return ignored;
}

std::string random_pattern(SeededRng& rng) {
  static const std::vector<std::string> pieces{
      "a",     "b",    "ab",    "c.o", "*",   "?",     "/",           "/**/",       "**/",  "/**",
      "[ab]",  "[!a]", "[a-c]", "\\a", "\\*", "*.o",   "[[:alpha:]]", "[]a]",       "b\\ ", " ",
      "[^b-]", ".",    "a/b",   "/a",  "[",   "[\\]]", "[a-",         "[[:nope:]]", "-",    "[[:]"};
  std::string line = rng.below(5) == 0 ? "!" : "";
  const auto count = 1 + rng.below(4);
  for (std::uint64_t piece = 0; piece < count; ++piece) {
    const auto& next = pieces[rng.below(pieces.size())];
    // git strips a pattern's literal beginning before it looks at `**`, so that `a**/b` also
    // matches `ab`; its manual calls such stars regular ones, and so do we.
    if (next.starts_with("**") && !line.empty() && line.back() != '/' && line.back() != '!')
      continue;
    line += next;
  }
  if (rng.below(6) == 0) line += "/";
  return line;
}

}  // namespace

TEST_CASE("a pattern without a slash is about names at any depth") {
  CHECK(selects({"*.o"}, "main.o"));
  CHECK(selects({"*.o"}, "src/deep/main.o"));
  CHECK(selects({"node_modules"}, "web/node_modules/left-pad/index.js"));
  CHECK_FALSE(selects({"*.o"}, "main.oo"));
  CHECK_FALSE(selects({"?.o"}, "ab.o"));
  CHECK(selects({"."}, "."));
}

TEST_CASE("a slash at the beginning or in the middle anchors, one at the end means directories") {
  CHECK(selects({"/build"}, "build"));
  CHECK_FALSE(selects({"/build"}, "src/build"));
  CHECK(selects({"src/*.o"}, "src/a.o"));
  CHECK_FALSE(selects({"src/*.o"}, "src/x/a.o"));
  CHECK_FALSE(selects({"src/*.o"}, "lib/src/a.o"));
  CHECK(selects({"logs/"}, "logs", EntryShape::directory));
  CHECK_FALSE(selects({"logs/"}, "logs"));
  CHECK(selects({"logs/"}, "logs/today"));
}

TEST_CASE("a line from the root is about the absolute path, any other about the target") {
  const auto set = set_of({"/srv/app/tmp", "cache/x"});
  CHECK(set.match({"tmp", "srv/app/tmp", EntryShape::directory}) == Match::yes);
  CHECK(set.match({"srv/app/tmp", "home/srv/app/tmp", EntryShape::directory}) == Match::none);
  CHECK(set.match({"cache/x", "srv/app/cache/x", EntryShape::other}) == Match::yes);
}

TEST_CASE("two stars stand for any number of directories") {
  CHECK(selects({"**/x"}, "x"));
  CHECK(selects({"**/x"}, "a/b/x"));
  CHECK(selects({"a/**/x"}, "a/x"));
  CHECK(selects({"a/**/x"}, "a/b/c/x"));
  CHECK(selects({"a/**"}, "a/b"));
  CHECK_FALSE(selects({"a/**"}, "a", EntryShape::directory));
  CHECK(selects({"a/**/b/**/c"}, "a/b/x/b/y/c"));
  CHECK_FALSE(selects({"a/**/b/**/c"}, "a/x/c"));
}

TEST_CASE("the last matching line decides, but nothing comes back out of an excluded directory") {
  CHECK_FALSE(selects({"*.log", "!keep.log"}, "keep.log"));
  CHECK(selects({"!keep.log", "*.log"}, "keep.log"));
  CHECK(selects({"logs/", "!logs/keep.log"}, "logs/keep.log"));
  CHECK_FALSE(selects({"logs/*", "!logs/keep.log"}, "logs/keep.log"));
}

TEST_CASE("escapes, classes, comments and trailing spaces are git's") {
  CHECK(selects({"\\#a"}, "#a"));
  CHECK_FALSE(selects({"#a"}, "#a"));
  CHECK(selects({"\\!a"}, "!a"));
  CHECK(selects({"a   "}, "a"));
  CHECK(selects({"a\\ "}, "a "));
  CHECK(selects({"\\*"}, "*"));
  CHECK_FALSE(selects({"\\*"}, "x"));
  CHECK(selects({"[[:digit:]a-c]x"}, "7x"));
  CHECK(selects({"[]-]"}, "]"));
  CHECK(selects({"[!a]"}, "b"));
  CHECK_FALSE(selects({"["}, "["));
  CHECK_FALSE(selects({"a\\"}, "a\\"));
  CHECK(selects({"\xff*"}, "\xff\xfe"));
}

TEST_CASE("a file of patterns may have CRLF, a byte order mark and no last newline") {
  PatternSet set;
  REQUIRE(set.add_text("\xef\xbb\xbf*.a\r\n# note\r\n\r\n*.b").has_value());
  CHECK(set.selects("x.a", EntryShape::other));
  CHECK(set.selects("x.b", EntryShape::other));
  CHECK_FALSE(set.selects("note", EntryShape::other));
}

TEST_CASE("a line that is too long is refused") {
  PatternSet set;
  CHECK(set.add_line(std::string(pattern_bytes_max + 1, 'a')).error().code ==
        ErrorCode::limit_exceeded);
}

TEST_CASE("many stars do not take exponential time") {
  std::string pattern;
  std::string deep;
  for (int part = 0; part < 60; ++part) pattern += "*a";
  for (int part = 0; part < 400; ++part) deep += "**/a/";
  const auto set = set_of({(pattern + "b").c_str(), (deep + "b").c_str()});
  std::string path;
  for (int part = 0; part < 400; ++part) path += "a/";
  CHECK_FALSE(set.selects(path + std::string(250, 'a'), EntryShape::other));
}

TEST_CASE("git check-ignore agrees on generated patterns and paths") {
  const auto root = std::filesystem::temp_directory_path() / "holdfast_patterns_git";
  std::filesystem::remove_all(root);
  std::filesystem::create_directories(root);
  if (std::system(("git init -q " + root.string() + " >/dev/null 2>&1").c_str()) != 0) {
    MESSAGE("git is not installed: the comparison did not run");
    return;
  }
  std::vector<std::string> directories{"a", "a/a", "a/b", "a/b/a", "b", "b/c.o", "ab", "ab/a"};
  std::vector<std::string> paths = directories;
  for (const auto& directory : directories) std::filesystem::create_directories(root / directory);
  for (const std::string above : {"", "a/", "a/a/", "a/b/", "a/b/a/", "b/", "ab/", "ab/a/"})
    for (const auto* name : {"x", "b.o", "c.o", "b ", "*", "]", "-", "a.b", "["}) {
      const auto path = above + name;
      if (std::filesystem::exists(root / path)) continue;
      std::ofstream(root / path) << "x";
      paths.push_back(path);
    }
  SeededRng rng(20261125);
  std::size_t hidden = 0;
  for (int round = 0; round < 150; ++round) {
    std::string ignore;
    PatternSet set;
    for (std::uint64_t line = 0; line < 1 + rng.below(4); ++line)
      ignore += random_pattern(rng) + "\n";
    REQUIRE(set.add_text(ignore).has_value());
    const auto expected = ignored_by_git(root, ignore, paths);
    hidden += expected.size();
    for (const auto& path : paths) {
      const auto shape =
          std::filesystem::is_directory(root / path) ? EntryShape::directory : EntryShape::other;
      CAPTURE(ignore);
      CAPTURE(path);
      CHECK(set.selects(path, shape) == expected.contains(path));
    }
  }
  CHECK(hidden > 1000);
  std::filesystem::remove_all(root);
}
