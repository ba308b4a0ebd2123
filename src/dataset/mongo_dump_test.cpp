#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/file.hpp"
#include "bson/digest.hpp"
#include "dataset/mongo_archive.hpp"
#include "dataset/mongo_dump.hpp"
#include "dataset/mongo_dump_writer.hpp"
#include "doubles/scratch_directory.hpp"

using namespace holdfast;
using namespace holdfast::dataset;
using holdfast::test::ScratchDirectory;
namespace fs = std::filesystem;

namespace {

const fs::path dumps = HOLDFAST_TEST_DATA "/mongodump";

// What must survive any way through our hands: metadata text, and the documents by digest.
struct Content {
  std::string metadata;
  std::string digest;
  std::uint64_t count = 0;
  bool operator==(const Content&) const = default;
};

std::map<std::string, Content> contents_of(DumpReader& dump) {
  std::map<std::string, Content> all;
  for (const MongoCollection& collection : dump.collections()) {
    Content content;
    if (collection.has_metadata) content.metadata = metadata_json(collection);
    bson::ContentDigest digest;
    if (collection.has_documents) {
      auto documents = dump.documents(collection).value();
      while (const auto document = documents->next().value()) digest.add(*document);
    }
    content.digest = digest.digest().hex();
    content.count = digest.count();
    all[collection.ns()] = content;
  }
  return all;
}

void copy_dump(DumpReader& from, const DumpTarget& target) {
  auto writer = make_dump_writer(target, from.facts().server_version).value();
  for (const MongoCollection& collection : from.collections()) {
    REQUIRE(writer->begin(collection).has_value());
    if (collection.has_documents) {
      auto documents = from.documents(collection).value();
      while (const auto document = documents->next().value())
        REQUIRE(writer->document(*document).has_value());
    }
    REQUIRE(writer->end().has_value());
  }
  REQUIRE(writer->finish().has_value());
}

std::unique_ptr<DumpReader> open(const fs::path& path) {
  auto dump = open_dump(path, fs::temp_directory_path());
  INFO(path.string());
  if (!dump.has_value()) FAIL(describe(dump.error()));
  return std::move(*dump);
}

Bytes bytes_of(const fs::path& path) {
  return read_file(path, std::uint64_t{1} << 24).value();
}

std::string error_of(const fs::path& path) {
  const auto dump = open_dump(path, fs::temp_directory_path());
  return dump.has_value() ? "" : describe(dump.error());
}

}  // namespace

TEST_CASE("every form of a real dump reads the same and goes through all four forms unchanged") {
  const char* names[] = {"dir",        "dir-gzip",      "oplog-dir",
                         "db.archive", "db.archive.gz", "oplog.archive.gz"};
  for (const char* name : names) {
    INFO(name);
    auto dump = open(dumps / name);
    const auto wanted = contents_of(*dump);
    CHECK(wanted.at("kenix_production.orders").count == 1000);
    CHECK(wanted.at("kenix_production.recent").metadata.find("viewOn") != std::string::npos);
    CHECK(wanted.contains("kenix_production.weird names/with%chars & \xC3\xBCn\xC3\xAF"));
    CHECK(dump->facts().server_version == "4.9.0");
    const ScratchDirectory scratch;
    const DumpTarget targets[] = {
        {scratch.path() / "plain", DumpForm::directory, Packing::plain},
        {scratch.path() / "packed", DumpForm::directory, Packing::gzip},
        {scratch.path() / "x.archive", DumpForm::archive, Packing::plain},
        {scratch.path() / "x.archive.gz", DumpForm::archive, Packing::gzip}};
    for (const DumpTarget& target : targets) {
      copy_dump(*dump, target);
      auto copy = open(target.path);
      CHECK(contents_of(*copy) == wanted);
      CHECK(copy->facts().server_version == "4.9.0");
    }
  }
}

TEST_CASE("a directory is written with the bytes of mongodump") {
  auto dump = open(dumps / "dir");
  const ScratchDirectory scratch;
  copy_dump(*dump, {scratch.path() / "again", DumpForm::directory, Packing::plain});
  std::size_t file_count = 0;
  for (const auto& entry : fs::directory_iterator(dumps / "dir" / "kenix_production")) {
    if (entry.path().filename() == "prelude.json") continue;
    INFO(entry.path().string());
    const fs::path ours = scratch.path() / "again" / "kenix_production" / entry.path().filename();
    CHECK(bytes_of(ours) == bytes_of(entry.path()));
    ++file_count;
  }
  CHECK(file_count == 17);
  CHECK(fs::exists(scratch.path() / "again" / "prelude.json"));
  CHECK_FALSE(fs::exists(scratch.path() / "again.holdfast-partial"));
}

TEST_CASE("users and roles of one database are kept under mongodump's own names") {
  auto dump = open(dumps / "dir-gzip");
  const auto contents = contents_of(*dump);
  CHECK(contents.at("kenix_production.$admin.system.roles").count == 1);
  CHECK(contents.at("kenix_production.$admin.system.users").metadata.empty());
  CHECK(dump->facts().scope == DumpScope::databases);
}

TEST_CASE("the oplog of a dump is found in a directory and in an archive") {
  for (const char* name : {"oplog-dir", "oplog.archive.gz"}) {
    INFO(name);
    auto dump = open(dumps / name);
    REQUIRE(dump->facts().has_oplog);
    CHECK(dump->facts().scope == DumpScope::instance);
    auto oplog = dump->oplog().value();
    const auto entry = oplog->next().value();
    REQUIRE(entry.has_value());
    CHECK(bson::Document::trusted(*entry).find("ts").has_value());
    CHECK_FALSE(oplog->next().value().has_value());
  }
}

TEST_CASE("every cut of an archive and every flipped byte of its documents is noticed") {
  const Bytes whole = bytes_of(dumps / "db.archive");
  const ScratchDirectory scratch;
  const fs::path damaged = scratch.path() / "x.archive";
  for (const std::size_t size : {std::size_t{3}, std::size_t{4}, std::size_t{100}, whole.size() / 2,
                                 whole.size() - 5, whole.size() - 1}) {
    INFO(size);
    REQUIRE(write_file_atomically(damaged, ByteView(whole).first(size)).has_value());
    CHECK_FALSE(error_of(damaged).empty());
    fs::remove(damaged);
  }
  for (std::size_t at = 6000; at < whole.size(); at += 9973) {
    Bytes flipped = whole;
    flipped[at] ^= 0x10;
    INFO(at);
    REQUIRE(write_file_atomically(damaged, flipped).has_value());
    CHECK_FALSE(error_of(damaged).empty());
    fs::remove(damaged);
  }
}

TEST_CASE("a damaged gzip stream is named with its file and offset") {
  Bytes bytes = bytes_of(dumps / "db.archive.gz");
  bytes[bytes.size() / 2] ^= 0x55;
  const ScratchDirectory scratch;
  const fs::path damaged = scratch.path() / "x.archive.gz";
  REQUIRE(write_file_atomically(damaged, bytes).has_value());
  CHECK(error_of(damaged).find("x.archive.gz") != std::string::npos);
  CHECK(error_of(damaged).find("offset") != std::string::npos);
}

TEST_CASE("a cut-off collection file is named with the offset of the broken document") {
  const ScratchDirectory scratch;
  fs::copy(dumps / "dir", scratch.path() / "dump", fs::copy_options::recursive);
  const fs::path orders = scratch.path() / "dump" / "kenix_production" / "orders.bson";
  fs::resize_file(orders, 1000);
  auto dump = open(scratch.path() / "dump");
  for (const MongoCollection& collection : dump->collections()) {
    if (collection.name != "orders") continue;
    auto documents = dump->documents(collection).value();
    auto document = documents->next();
    while (document.has_value() && *document) document = documents->next();
    REQUIRE_FALSE(document.has_value());
    CHECK(document.error().message.find("orders.bson: a document is cut off at offset 9") !=
          std::string::npos);
  }
}

TEST_CASE("what is no dump is refused with the reason") {
  const ScratchDirectory scratch;
  CHECK(error_of(scratch.path()).find("holds no dump") != std::string::npos);
  CHECK(error_of(dumps / "dir" / "kenix_production").find("give the directory above it") !=
        std::string::npos);
  CHECK(error_of(dumps / "dir" / "kenix_production" / "orders.bson")
            .find("neither a directory nor an archive") != std::string::npos);
  CHECK_FALSE(error_of(scratch.path() / "absent").empty());
}

TEST_CASE("a target that is in use is refused and a dump that was given up leaves nothing") {
  auto dump = open(dumps / "dir");
  const ScratchDirectory scratch;
  std::ofstream(scratch.path() / "file") << "x";
  const auto refused =
      make_dump_writer({scratch.path(), DumpForm::directory, Packing::plain}, "4.9.0");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::exists);
  {
    auto writer = make_dump_writer(target_of(scratch.path() / "given-up"), "4.9.0").value();
    REQUIRE(writer->begin(dump->collections().front()).has_value());
  }
  CHECK_FALSE(fs::exists(scratch.path() / "given-up"));
  CHECK_FALSE(fs::exists(scratch.path() / "given-up.holdfast-partial"));
}

TEST_CASE("file names of collections are escaped as mongodump does and shortened by a hash") {
  CHECK(file_stem_of("weird names/with%chars & \xC3\xBCn\xC3\xAF") ==
        "weird+names%2Fwith%25chars+%26+%C3%BCn%C3%AF");
  CHECK(collection_of("weird+names%2Fwith%25chars+%26+%C3%BCn%C3%AF") ==
        "weird names/with%chars & \xC3\xBCn\xC3\xAF");
  CHECK(collection_of("plain%zz%") == "plain%zz%");
  const std::string longest(238, 'a');
  CHECK(file_stem_of(longest) == longest);
  const std::string stem = file_stem_of(longest + "b");
  CHECK(stem.size() == 238);
  CHECK(stem.substr(0, 211) == std::string(208, 'a') + "%24");
}

TEST_CASE("names that only begin like the kept ones are escaped, so none leaves its directory") {
  CHECK(file_stem_of("$admin.system.users") == "$admin.system.users");
  CHECK(file_stem_of("$admin.system.roles") == "$admin.system.roles");
  CHECK(file_stem_of("$admin.system.x/../../../evil") == "%24admin.system.x%2F..%2F..%2F..%2Fevil");
  CHECK(file_stem_of("$admin.system." + std::string(300, 'x')).size() <= 255);
}

TEST_CASE("metadata that is not mongodump's is refused") {
  MongoCollection collection;
  CHECK_FALSE(read_metadata("[]", collection).has_value());
  CHECK_FALSE(read_metadata(R"({"indexes":{}})", collection).has_value());
  CHECK_FALSE(read_metadata(R"({"indexes":[1]})", collection).has_value());
  CHECK_FALSE(read_metadata(R"({"options":[]})", collection).has_value());
  CHECK_FALSE(read_metadata(R"({"uuid":"12"})", collection).has_value());
  CHECK_FALSE(read_metadata(R"({"collectionName":1})", collection).has_value());
  CHECK(read_metadata(R"({"later":"field"})", collection).has_value());
}

TEST_CASE("names that can not be a database are recognised") {
  for (const char* name : {"", ".", "..", "a/b", "a.b", "a b", "$x", "a\\b"})
    CHECK_FALSE(is_database_name(name));
  CHECK(is_database_name("kenix_production"));
  CHECK_FALSE(is_database_name(std::string(64, 'a')));
}
