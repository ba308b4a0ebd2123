// A full copy of a server that runs, judged by reading it another way: HOLDFAST_TEST_MONGO names
// one. Its database `holdfast_copied` is dropped.
#include <doctest/doctest.h>

#include <algorithm>

#include "backup/backup_mongo.hpp"
#include "base/rng.hpp"
#include "bson/builder.hpp"
#include "bson/digest.hpp"
#include "bson/ext_json.hpp"
#include "cli/environment.hpp"
#include "doubles/memory_repository.hpp"
#include "doubles/scratch_directory.hpp"
#include "mongo/cursor.hpp"
#include "store/memory_store.hpp"

namespace holdfast::backup {
namespace {

constexpr auto db = "holdfast_copied";
constexpr std::size_t batch_count = 500;

std::optional<std::string> server() {
  auto uri = cli::environment("HOLDFAST_TEST_MONGO");
  if (!uri) MESSAGE("SKIPPED: HOLDFAST_TEST_MONGO names no server");
  return uri;
}

// Time is real: a server is waited for.
struct World {
  SystemClock clock;
  SeededRng rng{7};
  test::RecordingLog log;
  Context context{clock, rng, log, {}};
  store::MemoryStore store{clock};
  test::ScratchDirectory scratch;
  Secret password{as_bytes("test")};
  repo::Repository repository =
      repo::Repository::init(context, store, password, {{}, test::test_scrypt_cost}).value();
  std::unique_ptr<mongo::Deployment> deployment;
  std::optional<mongo::Connection> connection;

  explicit World(const std::string& uri) {
    const auto parsed = mongo::Uri::parse(Secret(as_bytes(uri)));
    deployment = mongo::Deployment::connect(parsed.value(), context).value();
    connection = deployment->connect_to(mongo::ReadFrom::primary).value();
    drop();
  }
  ~World() { drop(); }

  void drop() {
    bson::Builder command;
    command.append_int32("dropDatabase", 1);
    REQUIRE(connection->run(db, command.finish()).has_value());
  }

  void insert(std::string_view collection, const std::vector<std::string>& documents) {
    for (std::size_t first = 0; first < documents.size(); first += batch_count) {
      bson::Builder command;
      command.append_text("insert", collection);
      command.begin_array("documents");
      const std::size_t end = std::min(documents.size(), first + batch_count);
      for (std::size_t at = first; at < end; ++at) {
        const Bytes document = bson::parse_ext_json(documents[at]).value();
        command.append_document(std::to_string(at - first), bson::Document::trusted(document));
      }
      command.end();
      REQUIRE(connection->run_ok(db, command.finish(), "inserting").has_value());
    }
  }

  bson::Digest256 digest_of(const std::string& collection, std::uint64_t& count) {
    mongo::FindRequest request;
    request.db = db;
    request.collection = collection;
    auto cursor = mongo::Cursor::open(*connection, request).value();
    bson::ContentDigest digest;
    while (const auto document = cursor.next().value()) digest.add(*document);
    count = digest.count();
    return digest.digest();
  }

  BackupMongoResult back_up(std::size_t range_bytes) {
    BackupMongoOptions options;
    options.dataset = "contract";
    options.temp_directory = scratch.path();
    options.threads = 3;
    options.range_bytes = range_bytes;
    auto result = backup_mongo(repository, *deployment, options);
    REQUIRE_MESSAGE(result.has_value(), test::MemoryRepository::describe_failure(result));
    return std::move(*result);
  }

  void check_equal(const BackupMongoResult& result, const std::string& collection) {
    CAPTURE(collection);
    const auto& all = result.base.collections;
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) {
      return each.ns == std::string(db) + "." + collection;
    });
    REQUIRE(found != all.end());
    std::uint64_t count = 0;
    const auto digest = digest_of(collection, count);
    CHECK(found->count == count);
    CHECK(found->digest == digest);
  }
};

std::string numbered(int number) {
  return R"({"_id":)" + std::to_string(number) + R"(,"text":")" + std::string(200, 'x') + "\"}";
}

std::vector<std::string> numbers(int first, int end) {
  std::vector<std::string> out;
  for (int number = first; number < end; ++number) out.push_back(numbered(number));
  return out;
}

// `_id`s of all kinds that can be one, among many numbers, so that they are cut by numbers.
std::vector<std::string> mixed() {
  std::vector<std::string> out = numbers(0, 3000);
  for (const auto* id :
       {"null", "-7.25", "\"\"", "\"a\"", "\"é\"", "{\"x\":1}",
        "{\"$oid\":\"5f0000000000000000000001\"}", "true", "false",
        "{\"$date\":{\"$numberLong\":\"-5\"}}", "{\"$numberLong\":\"99999999999\"}",
        "{\"$binary\":{\"base64\":\"AAEC\",\"subType\":\"00\"}}",
        "{\"$timestamp\":{\"t\":5,\"i\":1}}"})
    out.push_back(R"({"_id":)" + std::string(id) + R"(,"is":"odd"})");
  return out;
}

std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (int number = 0; number < 2000; ++number)
    out.push_back(R"({"_id":"k)" + std::to_string(number * 7919 % 2000) + R"(","text":")" +
                  std::string(200, 'y') + "\"}");
  return out;
}

}  // namespace

TEST_CASE("a copy in many stretches holds every document once") {
  const auto uri = server();
  if (!uri) return;
  World world(*uri);
  world.insert("mixed", mixed());
  world.insert("texts", texts());
  world.insert("with space/ü", numbers(0, 10));
  for (const std::size_t range_bytes : {std::size_t{1} << 26, std::size_t{1} << 16}) {
    const auto result = world.back_up(range_bytes);
    for (const auto* collection : {"mixed", "texts", "with space/ü"})
      world.check_equal(result, collection);
    CHECK(result.bytes_read >= 5000 * 200);
  }
}

TEST_CASE("the next copy holds what changed, cut where the one before was") {
  const auto uri = server();
  if (!uri) return;
  World world(*uri);
  world.insert("mixed", mixed());
  world.check_equal(world.back_up(1 << 16), "mixed");
  world.insert("mixed", numbers(3000, 3100));
  bson::Builder command;
  command.append_text("delete", "mixed");
  const Bytes deletes =
      bson::parse_ext_json(R"({"d":[{"q":{"_id":{"$gte":100,"$lt":200}},"limit":0}]})").value();
  command.append_array("deletes", bson::Document::trusted(deletes).find("d")->as_document());
  REQUIRE(world.connection->run_ok(db, command.finish(), "deleting").has_value());
  const auto result = world.back_up(1 << 16);
  world.check_equal(result, "mixed");
  CHECK(result.ranges_resumed == 0);
}

TEST_CASE("what lies where a server compares in its own way is copied all the same") {
  const auto uri = server();
  if (!uri) return;
  World world(*uri);
  auto documents = mixed();
  documents.push_back(R"({"_id":{"$numberDouble":"NaN"}})");
  documents.push_back(R"({"_id":{"$numberDouble":"Infinity"}})");
  documents.push_back(R"({"_id":{"$numberDouble":"-Infinity"}})");
  documents.push_back(R"({"_id":{"$numberDecimal":"5.5"}})");
  world.insert("mixed", documents);
  world.check_equal(world.back_up(1 << 16), "mixed");
}

}  // namespace holdfast::backup
