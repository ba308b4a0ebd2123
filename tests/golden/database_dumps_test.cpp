// Dumps that the real mongodump wrote, and recorded histories of a real server, through the
// repository and out again.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "backup/import_mongo.hpp"
#include "bson/ext_json.hpp"
#include "doubles/corpus.hpp"
#include "doubles/memory_repository.hpp"
#include "recover/browse_mongo.hpp"
#include "recover/export_mongo.hpp"

namespace holdfast {
namespace {

using dataset::DumpForm;
using dataset::Packing;
using test::MemoryRepository;
using test::ScratchDirectory;
using test::UnpackedCorpus;

namespace fs = std::filesystem;

const fs::path dumps = HOLDFAST_TEST_DATA "/mongodump";

template <class T>
T must(Result<T> result) {
  REQUIRE_MESSAGE(result.has_value(), MemoryRepository::describe_failure(result));
  return std::move(*result);
}

backup::MongoImportResult take_in(repo::Repository& repository, const std::string& name,
                                  const fs::path& dump, std::optional<fs::path> oplog = {}) {
  backup::MongoImportOptions options;
  options.dataset = name;
  options.dump = dump;
  options.oplog = std::move(oplog);
  options.temp_directory = fs::temp_directory_path();
  return must(backup::import_mongo(repository, options));
}

recover::MongoExportOptions export_options(const std::string& name, const std::string& at,
                                           dataset::DumpTarget target) {
  recover::MongoExportOptions options;
  options.dataset = name;
  options.at = at;
  options.target = std::move(target);
  options.temp_directory = fs::temp_directory_path();
  return options;
}

// Everything of a dump that must survive: by namespace, metadata and content digest.
std::map<std::string, std::string> contents_of(const fs::path& path) {
  auto dump = must(dataset::open_dump(path, fs::temp_directory_path()));
  std::map<std::string, std::string> all;
  for (const auto& collection : dump->collections()) {
    bson::ContentDigest digest;
    if (collection.has_documents) {
      auto documents = must(dump->documents(collection));
      while (const auto document = must(documents->next())) digest.add(*document);
    }
    const std::string metadata =
        collection.has_metadata ? dataset::metadata_json(collection) : "no metadata";
    all[collection.ns()] = metadata + " " + digest.digest().hex();
  }
  return all;
}

Bytes file_bytes(const fs::path& path) {
  return must(read_file(path, std::uint64_t{1} << 30));
}

// The metadata of one namespace by its parts, whatever their order in the text.
dataset::MongoCollection metadata_in(const fs::path& file) {
  dataset::MongoCollection collection;
  const Bytes text = file_bytes(file);
  const auto read = dataset::read_metadata(as_text(text), collection);
  REQUIRE(read.has_value());
  constexpr std::size_t empty_document_bytes = 5;
  if (collection.options.size() == empty_document_bytes) collection.options.clear();
  return collection;
}

// Files of a dump by namespace, as the two escape names differently.
std::map<std::string, fs::path> files_by_namespace(const fs::path& root) {
  std::map<std::string, fs::path> files;
  constexpr std::string_view suffix = ".metadata.json";
  for (const auto& item : fs::recursive_directory_iterator(root)) {
    const std::string path = item.path().string();
    if (!path.ends_with(suffix)) continue;
    const auto collection = metadata_in(item.path());
    const std::string ns = item.path().parent_path().filename().string() + "." + collection.name;
    files[ns] = path.substr(0, path.size() - suffix.size());
  }
  return files;
}

// Values of the documents without the order of their fields.
std::string sorted_text(const bson::Value& value) {
  if (value.type != bson::Type::document && value.type != bson::Type::array)
    return bson::to_ext_json(value);
  std::vector<std::string> parts;
  for (const auto& element : value.as_document())
    parts.push_back(std::string(element.name) + "=" + sorted_text(element.value));
  if (value.type == bson::Type::document) std::sort(parts.begin(), parts.end());
  std::string text = "{";
  for (const auto& part : parts) text += part + ",";
  return text + "}";
}

std::string sorted_text(const Bytes& documents) {
  std::string text;
  for (std::size_t at = 0; at < documents.size();) {
    const ByteView rest = ByteView(documents).subspan(at);
    const auto one = rest.first(load_le<std::uint32_t>(rest.data()));
    text += sorted_text(bson::Value{bson::Type::document, one}) + "\n";
    at += one.size();
  }
  return text;
}

enum class FieldOrder : std::uint8_t { exact, any };

void check_documents(const fs::path& got_file, const fs::path& wanted_file, bool is_capped,
                     FieldOrder order) {
  const Bytes got = file_bytes(got_file);
  const Bytes wanted = file_bytes(wanted_file);
  if (is_capped) {
    // The server trims without an entry: ours may hold older documents in front.
    CHECK(got.size() >= wanted.size());
    CHECK(std::equal(wanted.rbegin(), wanted.rend(), got.rbegin()));
  } else if (order == FieldOrder::exact || got == wanted) {
    CHECK((got == wanted));
  } else {
    CHECK(sorted_text(got) == sorted_text(wanted));
  }
}

void check_same_state(const fs::path& got, const fs::path& wanted, FieldOrder order) {
  const auto got_files = files_by_namespace(got);
  const auto wanted_files = files_by_namespace(wanted);
  CHECK(got_files.size() == wanted_files.size());
  for (const auto& [ns, stem] : wanted_files) {
    INFO(ns);
    REQUIRE(got_files.contains(ns));
    const fs::path ours = got_files.at(ns);
    const auto expected = metadata_in(stem.string() + ".metadata.json");
    const auto metadata = metadata_in(ours.string() + ".metadata.json");
    CHECK(dataset::metadata_json(metadata) == dataset::metadata_json(expected));
    const fs::path documents = stem.string() + ".bson";
    CHECK(fs::exists(documents) == fs::exists(ours.string() + ".bson"));
    if (fs::exists(documents))
      check_documents(ours.string() + ".bson", documents, expected.is_capped(), order);
  }
}

struct RecordedMoment {
  std::int64_t number = 0;
  oplog::Timestamp ts;
};

std::vector<RecordedMoment> moments_of(const fs::path& history) {
  // The file is a list; a document around it makes it one.
  const Bytes text = file_bytes(history / "expected.json");
  const Bytes parsed = must(bson::parse_ext_json("{\"all\":" + std::string(as_text(text)) + "}"));
  std::vector<RecordedMoment> moments;
  for (const auto& element : bson::Document::trusted(parsed).find("all")->as_document()) {
    const auto document = element.value.as_document();
    moments.push_back({*document.find("k")->as_integer(), test::timestamp_in(document, "ts")});
  }
  return moments;
}

void export_and_compare(repo::Repository& repository, const fs::path& history,
                        const RecordedMoment& moment, FieldOrder order) {
  INFO("expected/", moment.number);
  const ScratchDirectory scratch;
  const auto options =
      export_options("shop", oplog::to_text(moment.ts), dataset::target_of(scratch.path() / "out"));
  must(recover::export_mongo(repository, options));
  check_same_state(scratch.path() / "out", history / "expected" / std::to_string(moment.number),
                   order);
}

}  // namespace

TEST_CASE("each real dump goes in and comes out in all four forms with the same content") {
  const char* names[] = {"dir",        "dir-gzip",      "oplog-dir",
                         "db.archive", "db.archive.gz", "oplog.archive.gz"};
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  for (const std::string name : names) {
    INFO(name);
    const auto imported = take_in(repository, name, dumps / name);
    CHECK(imported.collections.size() >= 9);
    const ScratchDirectory scratch;
    const dataset::DumpTarget targets[] = {
        {scratch.path() / "plain", DumpForm::directory, Packing::plain},
        {scratch.path() / "packed", DumpForm::directory, Packing::gzip},
        {scratch.path() / "x.archive", DumpForm::archive, Packing::plain},
        {scratch.path() / "x.archive.gz", DumpForm::archive, Packing::gzip}};
    for (const auto& target : targets) {
      INFO(target.path.string());
      const auto result =
          must(recover::export_mongo(repository, export_options(name, "last", target)));
      CHECK(result.document_count() >= 1602);
      CHECK(contents_of(target.path) == contents_of(dumps / name));
      const auto again = take_in(repository, "again-" + name, target.path);
      REQUIRE(again.collections.size() == imported.collections.size());
      for (std::size_t at = 0; at < again.collections.size(); ++at)
        CHECK(again.collections[at].digest == imported.collections[at].digest);
    }
  }
}

TEST_CASE("a dump imported again adds no document blob") {
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  take_in(repository, "shop", dumps / "dir");
  const auto again = take_in(repository, "shop", dumps / "db.archive");
  for (const auto& collection : again.collections) CHECK(collection.chunk_new_count == 0);
}

TEST_CASE("every recorded moment comes out of the fuzzy base and of an exact one") {
  for (const std::string name : {"delta-1", "delta-txn", "modifiers-1"}) {
    INFO(name);
    const UnpackedCorpus corpus(name);
    const auto moments = moments_of(corpus.root());
    REQUIRE(moments.size() >= 3);
    const fs::path oplog = corpus.root() / "oplog.bson";
    {
      MemoryRepository memory;
      auto repository = memory.open_indexed();
      const auto imported = take_in(repository, "shop", corpus.root() / "base", oplog);
      CHECK(imported.recoverable_from == imported.window->last);
      const bool loses_field_order = name == "modifiers-1";
      for (const auto& moment : moments)
        export_and_compare(repository, corpus.root(), moment,
                           loses_field_order ? FieldOrder::any : FieldOrder::exact);
    }
    MemoryRepository memory;
    auto repository = memory.open_indexed();
    take_in(repository, "shop", corpus.root() / "expected" / "0", oplog);
    for (const auto& moment : moments)
      export_and_compare(repository, corpus.root(), moment, FieldOrder::exact);
  }
}

TEST_CASE("an oplog alone continues what is recorded and makes no base") {
  const UnpackedCorpus corpus("delta-1");
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  const Bytes all = file_bytes(corpus.root() / "oplog.bson");
  const ScratchDirectory scratch;
  fs::create_directory(scratch.path() / "later");
  // A first part that holds the base's window, and all of it.
  const auto documents = test::load_documents(corpus.root() / "oplog.bson");
  Bytes part;
  for (std::size_t at = 0; at < documents.size() / 2; ++at) append(part, documents[at]);
  REQUIRE(write_file_atomically(scratch.path() / "part.bson", part).has_value());
  REQUIRE(write_file_atomically(scratch.path() / "later" / "oplog.bson", all).has_value());
  const auto first =
      take_in(repository, "shop", corpus.root() / "base", scratch.path() / "part.bson");
  const auto later = take_in(repository, "shop", scratch.path() / "later");
  CHECK_FALSE(later.snapshot.has_value());
  CHECK(later.oplog->known_count == documents.size() / 2);
  CHECK(later.oplog->gaps.empty());
  export_and_compare(repository, corpus.root(), moments_of(corpus.root()).back(),
                     FieldOrder::exact);
}

TEST_CASE("a moment that can not be recovered is refused with the nearest ones") {
  const UnpackedCorpus corpus("delta-1");
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  const auto imported =
      take_in(repository, "shop", corpus.root() / "base", corpus.root() / "oplog.bson");
  const ScratchDirectory scratch;
  const auto target = dataset::target_of(scratch.path() / "out");
  for (const char* at : {"1795474008,467", "2030-01-01T00:00:00Z", "1,1"}) {
    INFO(at);
    const auto refused = recover::export_mongo(repository, export_options("shop", at, target));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::no_point);
    const auto nearest =
        std::string(at)[0] == '2' ? *imported.recoverable_to : *imported.recoverable_from;
    CHECK(refused.error().message.find(oplog::to_text(nearest)) != std::string::npos);
  }
  CHECK_FALSE(fs::exists(scratch.path() / "out"));
}

TEST_CASE("chosen namespaces are exported alone and under other names") {
  const UnpackedCorpus corpus("delta-1");
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  take_in(repository, "shop", corpus.root() / "base", corpus.root() / "oplog.bson");
  const ScratchDirectory scratch;
  auto options = export_options("shop", "last", dataset::target_of(scratch.path() / "all"));
  must(recover::export_mongo(repository, options));
  options.target = dataset::target_of(scratch.path() / "some");
  options.only = {"shop.users", "other"};
  options.renames = {"shop.users=rescue.people", "other=elsewhere"};
  const auto result = must(recover::export_mongo(repository, options));
  CHECK(file_bytes(scratch.path() / "some" / "rescue" / "people.bson") ==
        file_bytes(scratch.path() / "all" / "shop" / "users.bson"));
  CHECK(fs::exists(scratch.path() / "some" / "elsewhere" / "noise.bson"));
  CHECK(files_by_namespace(scratch.path() / "some").size() == result.collections.size());
  options.target = dataset::target_of(scratch.path() / "clash");
  options.only = {"shop"};
  options.renames = {"shop.users=shop.orders"};
  const auto clash = recover::export_mongo(repository, options);
  REQUIRE_FALSE(clash.has_value());
  CHECK(clash.error().code == ErrorCode::usage);
  CHECK_FALSE(fs::exists(scratch.path() / "clash"));
}

TEST_CASE("an export at any moment holds, for one document, what looking it up gives") {
  const UnpackedCorpus corpus("delta-1");
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  take_in(repository, "shop", corpus.root() / "base", corpus.root() / "oplog.bson");
  for (const auto& moment : moments_of(corpus.root())) {
    const fs::path file =
        corpus.root() / "expected" / std::to_string(moment.number) / "shop" / "users.bson";
    const Bytes users = file_bytes(file);
    std::size_t number = 0;
    for (std::size_t at = 0; at < users.size(); ++number) {
      const ByteView one = ByteView(users).subspan(at, load_le<std::uint32_t>(users.data() + at));
      at += one.size();
      if (number % 97 != 0) continue;
      const auto id = bson::Document::trusted(one).find("_id").value();
      recover::DocumentQuery query;
      query.dataset = "shop";
      query.ns = "shop.users";
      query.id = bson::to_ext_json(id);
      query.at = oplog::to_text(moment.ts);
      query.temp_directory = fs::temp_directory_path();
      INFO(query.id);
      const auto found = must(recover::document_at(repository, query));
      REQUIRE(found.document.has_value());
      CHECK(*found.document == to_bytes(one));
      const auto versions = must(recover::versions_of(repository, query));
      const bool is_among = std::any_of(versions.begin(), versions.end(), [&](const auto& each) {
        return each.version.document && *each.version.document == *found.document;
      });
      CHECK(is_among);
    }
  }
}

TEST_CASE("the branch that a real replica set rolled back is refused") {
  const UnpackedCorpus corpus("rollback-1");
  MemoryRepository memory;
  auto repository = memory.open_indexed();
  const fs::path exact = dumps / "dir";
  take_in(repository, "shop", exact, corpus.root() / "a-before-local.bson");
  backup::MongoImportOptions options;
  options.dataset = "shop";
  options.dump = exact;
  options.oplog = corpus.root() / "b-after-majority.bson";
  options.temp_directory = fs::temp_directory_path();
  const auto refused = backup::import_mongo(repository, options);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(refused.error().message.find("rolled back") != std::string::npos);

  take_in(repository, "majority", exact, corpus.root() / "a-before-majority.bson");
  options.dataset = "majority";
  const auto continued = must(backup::import_mongo(repository, options));
  CHECK(continued.oplog->gaps.empty());
  CHECK(continued.oplog->new_count > 0);
}

}  // namespace holdfast
