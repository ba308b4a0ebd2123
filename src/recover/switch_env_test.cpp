#include "recover/switch_env.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "base/file.hpp"
#include "base/rng.hpp"

namespace holdfast::recover {
namespace {

std::string edited(std::string_view text, std::string value,
                   MissingKey if_missing = MissingKey::refuse) {
  const auto edit = set_in_env(text, {"MONGO_URI", std::move(value), if_missing});
  REQUIRE(edit.has_value());
  return edit->text;
}

class TempDirectory {
 public:
  TempDirectory() {
    SystemRng rng;
    path_ =
        std::filesystem::temp_directory_path() / ("holdfast-switch-" + std::to_string(rng.next()));
    std::filesystem::create_directory(path_);
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void put(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}
std::string get(const std::filesystem::path& path) {
  const auto bytes = read_file(path, env_file_bytes_max);
  REQUIRE(bytes.has_value());
  return std::string(as_text(*bytes));
}

constexpr WallTime noon{std::chrono::seconds(1764072000)};

TEST_CASE("A key gets its new value and everything else stays as it is") {
  const std::string_view text =
      "# the shop\n\nPORT=3000\nMONGO_URI=mongodb://old/shop\n  # end\nDEBUG = yes\n";
  CHECK(edited(text, "mongodb://new/shop") ==
        "# the shop\n\nPORT=3000\nMONGO_URI=mongodb://new/shop\n  # end\nDEBUG = yes\n");
}

TEST_CASE("The style of a line stays: export, blanks, quotes, comment, line end") {
  CHECK(edited("export MONGO_URI = 'a'   # why\r\nX=1\r\n", "b") ==
        "export MONGO_URI = 'b'   # why\r\nX=1\r\n");
  CHECK(edited("MONGO_URI=\"a\"", "b") == "MONGO_URI=\"b\"");
  CHECK(edited("MONGO_URI=a # why", "b") == "MONGO_URI=b # why");
  CHECK(edited("\tMONGO_URI=a\t\n", "b") == "\tMONGO_URI=b\t\n");
}

TEST_CASE("A value is quoted when a reader would understand it otherwise") {
  CHECK(edited("MONGO_URI=a\n", "p q") == "MONGO_URI='p q'\n");
  CHECK(edited("MONGO_URI=a\n", "mongodb://h/?a=1&b=2") == "MONGO_URI='mongodb://h/?a=1&b=2'\n");
  CHECK(edited("MONGO_URI='a'\n", "it's") == "MONGO_URI=\"it's\"\n");
  CHECK(edited("MONGO_URI=\"a\"\n", "it's") == "MONGO_URI=\"it's\"\n");
  for (const std::string value : {"p$d", "a`b", "a\\b", "a\"b", "mongodb://u:$d@h/?w=\\`\"1"})
    CHECK(edited("MONGO_URI=\"a\" # c\n", value) == "MONGO_URI='" + value + "' # c\n");
  CHECK(edited("MONGO_URI=a\n", "") == "MONGO_URI=''\n");
}

TEST_CASE("All lines that set the key get the value, and no other line does") {
  const std::string_view text =
      "#MONGO_URI=c\nMONGO_URI=a\nMONGO_URI_OLD=a\nMY_MONGO_URI=a\nMONGO_URI=b\n";
  CHECK(edited(text, "n") ==
        "#MONGO_URI=c\nMONGO_URI=n\nMONGO_URI_OLD=a\nMY_MONGO_URI=a\nMONGO_URI=n\n");
  const auto edit = set_in_env("MONGO_URI=n\nMONGO_URI=b\n", {"MONGO_URI", "n"});
  REQUIRE(edit.has_value());
  CHECK(edit->same_count == 1);
  CHECK(edit->changed_count == 1);
}

TEST_CASE("A line inside another value is not a setting") {
  const std::string_view text = "KEY=\"first\nMONGO_URI=inside\n\"\nMONGO_URI=a\n";
  CHECK(edited(text, "b") == "KEY=\"first\nMONGO_URI=inside\n\"\nMONGO_URI=b\n");
}

TEST_CASE("A value over several lines is replaced as a whole") {
  CHECK(edited("MONGO_URI=\"a\nb\\\"c\"\nX=1", "n") == "MONGO_URI=\"n\"\nX=1");
}

TEST_CASE("An empty value can be set") {
  CHECK(edited("MONGO_URI=\nX=1\n", "n") == "MONGO_URI=n\nX=1\n");
  CHECK(edited("MONGO_URI=", "n") == "MONGO_URI=n");
}

TEST_CASE("A missing key is refused, or appended on a line of its own") {
  const auto refused = set_in_env("X=1\n", {"MONGO_URI", "n"});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::not_found);
  CHECK(refused.error().message.find("--add") != std::string::npos);
  CHECK(edited("X=1", "n", MissingKey::append) == "X=1\nMONGO_URI=n\n");
  CHECK(edited("X=1\r\n", "n", MissingKey::append) == "X=1\r\nMONGO_URI=n\r\n");
  CHECK(edited("", "n", MissingKey::append) == "MONGO_URI=n\n");
}

TEST_CASE("Names, values and quotes that no dotenv file can hold are refused") {
  for (const auto* key : {"", "1A", "A B", "A=B", "A-B"}) {
    const auto edit = set_in_env("A=1\n", {key, "n"});
    REQUIRE_FALSE(edit.has_value());
    CHECK(edit.error().code == ErrorCode::usage);
  }
  const auto two_lines = set_in_env("A=1\n", {"A", "x\ny"});
  REQUIRE_FALSE(two_lines.has_value());
  CHECK(two_lines.error().code == ErrorCode::usage);
  const auto open_quote = set_in_env("X=1\nA=\"1\n", {"A", "2"});
  REQUIRE_FALSE(open_quote.has_value());
  CHECK(open_quote.error().message == "a quote in line 2 of the file has no end");
}

TEST_CASE("Setting a value again changes nothing") {
  for (const auto* value : {"plain", "p q", "it's", "a\"b", "$x", "a\\b", "a`b", ""}) {
    const std::string once = edited("MONGO_URI=old # c\n", value);
    const auto twice = set_in_env(once, {"MONGO_URI", value});
    REQUIRE(twice.has_value());
    CHECK(twice->text == once);
    CHECK(twice->same_count == 1);
  }
}

TEST_CASE("A value that no quotes hold alike for all readers is refused") {
  for (const auto* value : {"it's $x", "it's \"x\"", "'`", "'\\x", "ends in \\"}) {
    const auto edit = set_in_env("MONGO_URI=a\n", {"MONGO_URI", value});
    REQUIRE_FALSE(edit.has_value());
    CHECK(edit.error().code == ErrorCode::usage);
    CHECK(edit.error().message.find("MONGO_URI") != std::string::npos);
  }
}

TEST_CASE("A line that readers disagree about is written anew") {
  const auto edit =
      set_in_env("MONGO_URI=\"mongodb://u:\\$d@h/\"\n", {"MONGO_URI", "mongodb://u:$d@h/"});
  REQUIRE(edit.has_value());
  CHECK(edit->text == "MONGO_URI='mongodb://u:$d@h/'\n");
  CHECK(edit->changed_count == 1);
}

TEST_CASE("A byte order mark stays, and hides no key") {
  const std::string mark = "\xEF\xBB\xBF";
  CHECK(edited(mark + "MONGO_URI=a\nX=1\n", "b") == mark + "MONGO_URI=b\nX=1\n");
  CHECK(edited(mark + "X=1\n", "b", MissingKey::append) == mark + "X=1\nMONGO_URI=b\n");
}

// What bash takes for the value of `KEY=...`, and what node --env-file does: quotes around it are
// cut by both; only bash knows escapes in double quotes and expands there.
std::optional<std::string> read_by_bash(std::string_view raw) {
  const bool is_single = raw.size() >= 2 && raw.front() == '\'' && raw.back() == '\'';
  const bool is_double = raw.size() >= 2 && raw.front() == '"' && raw.back() == '"';
  std::string_view inner = is_single || is_double ? raw.substr(1, raw.size() - 2) : raw;
  if (is_single)
    return inner.find('\'') == std::string_view::npos ? std::optional<std::string>(inner)
                                                      : std::nullopt;
  const std::string_view special = is_double ? "\"\\$`" : " \t#'\"\\$`;&|<>()*?![]{}~";
  return inner.find_first_of(special) == std::string_view::npos ? std::optional<std::string>(inner)
                                                                : std::nullopt;
}
std::optional<std::string> read_by_node(std::string_view raw) {
  const char quote = raw.empty() ? '\0' : raw.front();
  if (quote != '\'' && quote != '"' && quote != '`') return std::string(raw);
  const std::size_t end = raw.find(quote, 1);
  return end + 1 == raw.size() ? std::optional<std::string>(raw.substr(1, end - 1)) : std::nullopt;
}

TEST_CASE("Whatever the value, a shell and a program read the same, or it is refused") {
  constexpr std::string_view signs = "ab/:?&=%@$\\`\"'# ";
  std::size_t refused_count = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    SeededRng rng(seed);
    std::string value;
    for (std::uint64_t left = rng.below(8); left > 0; --left)
      value += signs[static_cast<std::size_t>(rng.below(signs.size()))];
    for (const std::string_view line : {"K=old", "K='old'", "K=\"old\"", "K=\"\\$old\""}) {
      CAPTURE(value);
      CAPTURE(line);
      const auto edit = set_in_env(line, {"K", value});
      if (!edit.has_value()) {
        ++refused_count;
        continue;
      }
      const std::string_view raw = std::string_view(edit->text).substr(2);
      CHECK(read_by_bash(raw) == value);
      CHECK(read_by_node(raw) == value);
    }
  }
  CHECK(refused_count < 40'000);
}

TEST_CASE("The file keeps its mode, and the old one is beside it") {
  const TempDirectory directory;
  const auto file = directory.path() / ".env";
  put(file, "MONGO_URI=a\n");
  ::chmod(file.c_str(), 0640);
  const auto result = switch_env(file, {"MONGO_URI", "b"}, noon);
  REQUIRE(result.has_value());
  CHECK(get(file) == "MONGO_URI=b\n");
  CHECK(result->backup.filename() == ".env.before-20251125T120000Z");
  CHECK(get(result->backup) == "MONGO_URI=a\n");
  for (const auto& path : {file, result->backup}) {
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777U) == 0640U);
  }
  // A second switch in the same second does not touch the first backup.
  const auto again = switch_env(file, {"MONGO_URI", "c"}, noon);
  REQUIRE(again.has_value());
  CHECK(again->backup.filename() == ".env.before-20251125T120000Z-2");
  CHECK(get(result->backup) == "MONGO_URI=a\n");
}

TEST_CASE("Through a link the file that it means is replaced") {
  const TempDirectory directory;
  put(directory.path() / "real.env", "MONGO_URI=a\n");
  std::filesystem::create_symlink("real.env", directory.path() / ".env");
  REQUIRE(switch_env(directory.path() / ".env", {"MONGO_URI", "b"}, noon).has_value());
  CHECK(std::filesystem::is_symlink(directory.path() / ".env"));
  CHECK(get(directory.path() / "real.env") == "MONGO_URI=b\n");
}

TEST_CASE("A file that needs no change is not touched, a missing one is not made") {
  const TempDirectory directory;
  const auto file = directory.path() / ".env";
  put(file, "MONGO_URI='a'\n");
  const auto result = switch_env(file, {"MONGO_URI", "a"}, noon);
  REQUIRE(result.has_value());
  CHECK(result->backup.empty());
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
  const auto missing =
      switch_env(directory.path() / "no.env", {"MONGO_URI", "a", MissingKey::append}, noon);
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ErrorCode::not_found);
}

}  // namespace
}  // namespace holdfast::recover
