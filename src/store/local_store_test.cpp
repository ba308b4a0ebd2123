#include "store/local_store.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "doubles/scratch_directory.hpp"
#include "store/object_name.hpp"

namespace holdfast::store {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_below(const fs::path& root) {
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file()) found.push_back(fs::relative(entry.path(), root).string());
  return found;
}

unsigned mode_of(const fs::path& path) {
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

std::size_t listed(Store& store) {
  std::size_t count = 0;
  CHECK(store
            .list("",
                  [&](const ObjectInfo&) -> Result<void> {
                    ++count;
                    return {};
                  })
            .has_value());
  return count;
}

TEST_CASE("a local store of a missing directory is unreachable") {
  test::ScratchDirectory scratch;
  const auto opened = LocalStore::open(scratch.path() / "unmounted");
  REQUIRE(!opened.has_value());
  CHECK(opened.error().code == ErrorCode::store_unreachable);
}

TEST_CASE("a directory that vanishes under a local store makes it unreachable") {
  test::ScratchDirectory scratch;
  const auto root = scratch.path() / "disk";
  auto store = LocalStore::create(root).value();
  REQUIRE(store->put("config", as_bytes("x"), Durability::immediate).has_value());
  fs::remove_all(root);
  CHECK(store->get("config").error().code == ErrorCode::store_unreachable);
  CHECK(store->put("config", as_bytes("x"), Durability::immediate).error().code ==
        ErrorCode::store_unreachable);
  CHECK(store->list("", [](const ObjectInfo&) -> Result<void> { return {}; }).error().code ==
        ErrorCode::store_unreachable);
}

TEST_CASE("objects of a local store are read-only and its directories private") {
  test::ScratchDirectory scratch;
  auto store = LocalStore::create(scratch.path() / "repo").value();
  REQUIRE(store->put("data/ab/ab12", as_bytes("x"), Durability::immediate).has_value());
  CHECK(mode_of(scratch.path() / "repo") == 0700);
  CHECK(mode_of(scratch.path() / "repo/data/ab") == 0700);
  CHECK(mode_of(scratch.path() / "repo/data/ab/ab12") == 0400);
}

TEST_CASE("a group-readable config gives the group rights to all that is new") {
  test::ScratchDirectory scratch;
  const auto root = scratch.path() / "repo";
  REQUIRE(LocalStore::create(root)
              .value()
              ->put("config", as_bytes("c"), Durability::immediate)
              .has_value());
  REQUIRE(::chmod((root / "config").c_str(), 0440) == 0);
  auto store = LocalStore::open(root).value();
  REQUIRE(store->put("data/ab/ab12", as_bytes("x"), Durability::immediate).has_value());
  CHECK(mode_of(root / "data/ab") == 0770);
  CHECK(mode_of(root / "data/ab/ab12") == 0440);
}

TEST_CASE("an unsynced object has only its temporary name, and none after the store is closed") {
  test::ScratchDirectory scratch;
  {
    auto store = LocalStore::create(scratch.path()).value();
    REQUIRE(store->put("data/ab/ab12", as_bytes("x"), Durability::at_sync).has_value());
    const auto files = files_below(scratch.path());
    REQUIRE(files.size() == 1);
    CHECK(is_temporary_name(files.front()));
    CHECK(listed(*store) == 0);
    REQUIRE(store->put("data/ab/ab34", as_bytes("y"), Durability::at_sync).has_value());
    REQUIRE(store->sync().has_value());
    CHECK(listed(*store) == 2);
    REQUIRE(store->put("data/ab/ab56", as_bytes("z"), Durability::at_sync).has_value());
  }
  CHECK(files_below(scratch.path()).size() == 2);
}

TEST_CASE("left-overs of dead runs are not listed, and removed when old") {
  test::ScratchDirectory scratch;
  auto store = LocalStore::create(scratch.path()).value();
  fs::create_directories(scratch.path() / "data");
  const auto young = scratch.path() / "data/ab-tmp-0123";
  const auto old = scratch.path() / "data/cd-tmp-0123";
  std::ofstream(young) << "part";
  std::ofstream(old) << "part";
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(30));
  CHECK(listed(*store) == 0);
  CHECK(fs::exists(young));
  CHECK(!fs::exists(old));
}

TEST_CASE("foreign names in the directory are passed over") {
  test::ScratchDirectory scratch;
  auto store = LocalStore::create(scratch.path()).value();
  fs::create_directory(scratch.path() / "lost+found");
  std::ofstream(scratch.path() / "README.TXT") << "x";
  fs::create_symlink("nowhere", scratch.path() / "dangling");
  REQUIRE(store->put("config", as_bytes("c"), Durability::immediate).has_value());
  CHECK(listed(*store) == 1);
}

}  // namespace
}  // namespace holdfast::store
