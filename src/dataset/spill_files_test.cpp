#include "dataset/spill_files.hpp"

#include <doctest/doctest.h>

#include "doubles/scratch_directory.hpp"

namespace holdfast::dataset {
namespace {

TEST_CASE("A spilled run gives back what was appended and leaves no file") {
  test::ScratchDirectory scratch;
  SpillFiles spill(scratch.path());
  auto run = spill.create();
  REQUIRE(run.has_value());
  REQUIRE((*run)->append(as_bytes("first ")).has_value());
  REQUIRE((*run)->append(as_bytes("second")).has_value());
  Bytes middle(5);
  REQUIRE((*run)->read_at(4, middle).has_value());
  CHECK(as_text(middle) == "t sec");
  CHECK(std::filesystem::is_empty(scratch.path()));
}

TEST_CASE("Reading beyond the end of a spilled run is an error") {
  test::ScratchDirectory scratch;
  SpillFiles spill(scratch.path());
  auto run = spill.create();
  REQUIRE(run.has_value());
  REQUIRE((*run)->append(as_bytes("short")).has_value());
  Bytes out(6);
  CHECK_FALSE((*run)->read_at(0, out).has_value());
}

TEST_CASE("A missing directory is an error") {
  SpillFiles spill("/nonexistent/holdfast");
  CHECK_FALSE(spill.create().has_value());
}

}  // namespace
}  // namespace holdfast::dataset
