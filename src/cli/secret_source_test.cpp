#include "cli/secret_source.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "doubles/scratch_directory.hpp"

namespace holdfast::cli {
namespace {

class Written {
 public:
  explicit Written(std::string_view text) { std::ofstream(path(), std::ios::binary) << text; }
  std::string path() const { return (place_.path() / "shop.uri").string(); }

 private:
  test::ScratchDirectory place_;
};

}  // namespace

TEST_CASE("A file with one line gives that line") {
  const Written file("\xEF\xBB\xBF \r\n mongodb://h/ \r\n\r\n");
  const auto line = line_from_file(file.path(), "connection string");
  REQUIRE(line.has_value());
  CHECK(as_text(line->reveal()) == "mongodb://h/");
}

TEST_CASE("Several lines are no line, and the file is named") {
  for (const std::string_view text : {"mongodb://u:hush@h/\nmongodb://h2/\n", "a\r\rb", "a\n\nb"}) {
    const Written file(text);
    const auto line = line_from_file(file.path(), "connection string");
    REQUIRE_FALSE(line.has_value());
    CHECK(line.error().code == ErrorCode::usage);
    CHECK(line.error().message ==
          "the connection string file " + file.path() + " has more than one line");
  }
  const auto printed = line_from_command("printf 'a\\nb'", "value");
  REQUIRE_FALSE(printed.has_value());
  CHECK(printed.error().message == "the value command printed more than one line");
}

}  // namespace holdfast::cli
