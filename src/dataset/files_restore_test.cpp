#include "dataset/files_restore.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

FileEntry facts_of(const fs::path& path) {
  FileEntry entry;
  REQUIRE(read_facts(current_directory, path.string(), entry).has_value());
  return entry;
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

FileEntry entry_of_kind(FileKind kind) {
  FileEntry entry;
  entry.kind = kind;
  entry.permissions = 0640;
  entry.uid = ::geteuid();
  entry.gid = ::getegid();
  entry.mtime = {1234567890, 987654321};
  entry.atime = {1234567891, 1};
  return entry;
}

// Writes one file as a restore does: beside, then with metadata, then named.
Result<void> restore_file(RestoreDirectory& target, const std::string& relative,
                          std::string_view text, Replace replace = Replace::no) {
  const auto place = TRY(target.place(relative));
  const auto partial = TRY(open_partial(place, 1));
  TRY(write_all_at(partial.fd.get(), as_bytes(text), 0));
  return publish_entry(place, partial.temporary_name, replace);
}

}  // namespace

TEST_CASE("no path leads out of the target") {
  const test::ScratchDirectory scratch;
  const auto root = scratch.path() / "target";
  fs::create_directories(scratch.path() / "outside");
  auto target = RestoreDirectory::open(root.string()).value();
  fs::create_symlink("../outside", root / "link");
  fs::create_symlink("inside", root / "loop");
  fs::create_directories(root / "inside");
  for (const auto* path : {"../x", "a/../../x", "/etc/x", "..", ".", "", "a//b", "link/x", "loop/x",
                           "./x", "inside/../x"}) {
    CAPTURE(path);
    CHECK_FALSE(restore_file(*target, path, "evil").has_value());
  }
  CHECK(target->place("link/x").error().code == ErrorCode::refused);
  CHECK(fs::is_empty(scratch.path() / "outside"));
  CHECK(restore_file(*target, "inside/x", "good").has_value());
}

TEST_CASE("a symlink that stands at the name itself is not written through") {
  const test::ScratchDirectory scratch;
  std::ofstream(scratch.path() / "victim") << "untouched";
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  fs::create_symlink("../victim", scratch.path() / "t/f");
  CHECK(restore_file(*target, "f", "new").error().code == ErrorCode::exists);
  const auto place = target->place("f").value();
  CHECK(open_existing_file(place).has_value() == false);
  CHECK(look_at(place).value()->link_target == "../victim");
  CHECK(restore_file(*target, "f", "new", Replace::yes).has_value());
  CHECK(text_of(scratch.path() / "t/f") == "new");
  CHECK(text_of(scratch.path() / "victim") == "untouched");
}

TEST_CASE("a partial file of an earlier run is found again, a planted one is not used") {
  const test::ScratchDirectory scratch;
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  const auto place = target->place("f").value();
  std::string name;
  {
    const auto partial = open_partial(place, 7).value();
    CHECK(partial.kept_bytes == 0);
    REQUIRE(write_all_at(partial.fd.get(), as_bytes("half"), 0).has_value());
    name = partial.temporary_name;
  }
  CHECK(open_partial(place, 7).value().kept_bytes == 4);
  CHECK(open_partial(place, 8).value().temporary_name != name);
  std::ofstream(scratch.path() / "victim") << "untouched";
  fs::remove(scratch.path() / "t" / name);
  fs::create_symlink("../victim", scratch.path() / "t" / name);
  CHECK(open_partial(place, 7).value().kept_bytes == 0);
  fs::remove(scratch.path() / "t" / name);
  fs::create_hard_link(scratch.path() / "victim", scratch.path() / "t" / name);
  CHECK(open_partial(place, 7).value().kept_bytes == 0);
  CHECK(text_of(scratch.path() / "victim") == "untouched");
}

TEST_CASE("metadata is applied to the nanosecond, set-user-id after the owner") {
  const test::ScratchDirectory scratch;
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  const auto place = target->place("f").value();
  auto partial = open_partial(place, 1).value();
  auto entry = entry_of_kind(FileKind::file);
  entry.permissions = 06711;
  if (::geteuid() == 0) entry.uid = 12345;
  const bool has_attributes = ::fsetxattr(partial.fd.get(), "user.old", "1", 1, 0) == 0;
  if (has_attributes) entry.attributes.push_back({"user.new", to_bytes(as_bytes("v"))});
  std::vector<std::string> warnings;
  apply_metadata(partial.fd.get(), entry, Leftovers::remove, warnings);
  CHECK(warnings.empty());
  REQUIRE(publish_entry(place, partial.temporary_name, Replace::no).has_value());
  auto made = facts_of(scratch.path() / "t/f");
  CHECK(made.permissions == 06711);
  CHECK(made.mtime == entry.mtime);
  CHECK(made.atime == entry.atime);
  CHECK(made.uid == entry.uid);
  read_attributes_of(partial.fd.get(), made, warnings);
  CHECK(made.attributes == entry.attributes);
}

TEST_CASE("links, fifos and devices are made with their metadata") {
  const test::ScratchDirectory scratch;
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  const auto make = [&](const std::string& name, const FileEntry& entry) -> Result<void> {
    std::vector<std::string> warnings;
    const auto place = TRY(target->place(name));
    const auto temporary = TRY(make_special(place, entry, warnings));
    return publish_entry(place, temporary, Replace::no);
  };
  auto link = entry_of_kind(FileKind::symlink);
  link.link_target = "no\xffwhere";
  REQUIRE(make("l", link).has_value());
  CHECK(make("l", link).error().code == ErrorCode::exists);
  CHECK(facts_of(scratch.path() / "t/l").mtime == link.mtime);
  CHECK(look_at(target->place("l").value()).value()->link_target == link.link_target);
  REQUIRE(make("p", entry_of_kind(FileKind::fifo)).has_value());
  const auto fifo = facts_of(scratch.path() / "t/p");
  CHECK(fifo.kind == FileKind::fifo);
  CHECK(fifo.permissions == 0640);
  CHECK(fifo.mtime == link.mtime);
  auto device = entry_of_kind(FileKind::char_device);
  device.device = makedev(1, 3);
  const auto made = make("null", device);
  if (made.has_value())
    CHECK(facts_of(scratch.path() / "t/null").device == device.device);
  else
    CHECK(made.error().code == ErrorCode::refused);
  CHECK(make("s", entry_of_kind(FileKind::socket)).error().code == ErrorCode::unsupported);
}

TEST_CASE("hard links are made and can replace what stands there") {
  const test::ScratchDirectory scratch;
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  REQUIRE(restore_file(*target, "a", "one").has_value());
  REQUIRE(restore_file(*target, "b", "two").has_value());
  const auto first = target->place("a").value();
  CHECK(make_hard_link(first, target->place("b").value(), Replace::no).error().code ==
        ErrorCode::exists);
  CHECK(make_hard_link(first, target->place("b").value(), Replace::yes).has_value());
  CHECK(make_hard_link(first, target->place("b").value(), Replace::yes).has_value());
  CHECK(make_hard_link(first, target->place("c").value(), Replace::no).has_value());
  CHECK(facts_of(scratch.path() / "t/a").links == 3);
  CHECK(text_of(scratch.path() / "t/b") == "one");
}

TEST_CASE("directories are made once and a file is never taken for one") {
  const test::ScratchDirectory scratch;
  auto target = RestoreDirectory::open((scratch.path() / "t").string()).value();
  CHECK(make_directory(target->place("d").value()).value() == Made::created);
  CHECK(make_directory(target->place("d").value()).value() == Made::existed);
  REQUIRE(restore_file(*target, "f", "x").has_value());
  CHECK(make_directory(target->place("f").value()).error().code == ErrorCode::exists);
  for (std::size_t number = 0; number < open_targets_max + 20; ++number) {
    const auto name = "d/" + std::to_string(number);
    REQUIRE(make_directory(target->place(name).value()).has_value());
    REQUIRE(target->directory(name).has_value());
  }
}

TEST_CASE("runs of zeros become holes and nothing else does") {
  const test::ScratchDirectory scratch;
  const auto path = scratch.path() / "sparse";
  Bytes bytes(1 << 20, 0);
  bytes[5000] = 1;
  bytes[700000] = 2;
  bytes.back() = 3;
  for (const std::uint64_t offset : {0U, 100U, 4095U}) {
    const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(offset + bytes.size())) == 0);
    REQUIRE(write_sparsely(fd.get(), bytes, offset).has_value());
    Bytes back(bytes.size());
    REQUIRE(read_up_to_at(fd.get(), back, offset).value() == bytes.size());
    CHECK(back == bytes);
    struct stat status{};
    REQUIRE(::fstat(fd.get(), &status) == 0);
    CHECK(status.st_blocks * 512 < 200000);
  }
}
