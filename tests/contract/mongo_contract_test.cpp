// What the rest relies on, against a server that runs: HOLDFAST_TEST_MONGO=mongodb://… names one.
// Its database `holdfast_contract` is dropped.
#include <doctest/doctest.h>

#include "base/rng.hpp"
#include "bson/builder.hpp"
#include "cli/environment.hpp"
#include "mongo/cursor.hpp"
#include "mongo/deployment.hpp"
#include "mongo/grants.hpp"

namespace holdfast::mongo {
namespace {

constexpr auto db = "holdfast_contract";
constexpr std::int32_t document_count = 2500;

struct World {
  SystemClock clock;
  SeededRng rng{7};
  NullLog log;
  Context context{clock, rng, log, {}};

  Result<std::unique_ptr<Deployment>> connect(const std::string& text, int wait_ms = 15'000) {
    const Uri uri = TRY(Uri::parse(Secret(as_bytes(text))));
    ConnectOptions options;
    options.selection_time_max = std::chrono::milliseconds(wait_ms);
    return Deployment::connect(uri, context, options);
  }
};

// The server's address; says so when there is none.
const char* server() {
  static const auto uri = cli::environment("HOLDFAST_TEST_MONGO");
  if (!uri) MESSAGE("SKIPPED: HOLDFAST_TEST_MONGO names no server");
  return uri ? uri->c_str() : nullptr;
}

Reply drop(Connection& connection) {
  bson::Builder command;
  command.append_int32("dropDatabase", 1);
  return connection.run(db, command.finish()).value();
}

void insert(Connection& connection, std::int32_t first, std::int32_t count) {
  bson::Builder command;
  command.append_text("insert", "numbers");
  command.begin_array("documents");
  for (std::int32_t i = 0; i < count; ++i) {
    command.begin_document(std::to_string(i));
    command.append_int32("_id", first + i);
    command.append_text("text", std::string(100, 'x'));
    command.end();
  }
  command.end();
  REQUIRE(connection.run_ok(db, command.finish(), "inserting").has_value());
}

std::vector<std::int32_t> ids(Cursor& cursor) {
  std::vector<std::int32_t> out;
  for (;;) {
    const auto document = cursor.next().value();
    if (!document) return out;
    out.push_back(bson::Document::trusted(*document).find("_id")->as_int32());
  }
}

FindRequest numbers() {
  FindRequest request;
  request.db = db;
  request.collection = "numbers";
  bson::Builder sort;
  sort.append_int32("_id", 1);
  request.sort = sort.take();
  return request;
}

}  // namespace

TEST_CASE("a server is found, greeted, and tells its version") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  const auto members = deployment->members().value();
  REQUIRE(!members.empty());
  CHECK(members.front().takes_writes());
  CHECK(members.front().wire_version_max > 0);
  CHECK(!members.front().address.empty());
  CHECK(deployment->connect_to(ReadFrom::primary).value().member().takes_writes());
  CHECK(deployment->connect_to(ReadFrom::secondary_preferred).has_value());
  CHECK(!deployment->server_version().value().empty());
}

TEST_CASE("documents come once each, in batches of any size") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  Connection connection = deployment->connect_to(ReadFrom::primary).value();
  drop(connection);
  for (std::int32_t first = 0; first < document_count; first += 500) insert(connection, first, 500);
  for (const std::int32_t batch : {0, 7, 1000, 5000}) {
    FindRequest request = numbers();
    request.batch_count = batch;
    Cursor cursor = Cursor::open(connection, request).value();
    const auto found = ids(cursor);
    REQUIRE(found.size() == document_count);
    for (std::int32_t i = 0; i < document_count; ++i)
      REQUIRE(found[static_cast<std::size_t>(i)] == i);
    CHECK_FALSE(cursor.is_open());
    CHECK(cursor.byte_count() > 100 * document_count);
  }
  drop(connection);
}

TEST_CASE("filter, limit and projection reach the server") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  Connection connection = deployment->connect_to(ReadFrom::primary).value();
  drop(connection);
  insert(connection, 0, 100);
  FindRequest request = numbers();
  bson::Builder filter;
  filter.begin_document("_id");
  filter.append_int32("$gte", 40);
  filter.end();
  request.filter = filter.take();
  request.limit = 3;
  bson::Builder projection;
  projection.append_int32("_id", 1);
  request.projection = projection.take();
  Cursor cursor = Cursor::open(connection, request).value();
  CHECK(ids(cursor) == std::vector<std::int32_t>{40, 41, 42});
  CHECK(cursor.byte_count() == 3 * 14);
  drop(connection);
}

TEST_CASE("a cursor that is dropped half way leaves a connection that works") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  Connection connection = deployment->connect_to(ReadFrom::primary).value();
  drop(connection);
  insert(connection, 0, 100);
  FindRequest request = numbers();
  request.batch_count = 10;
  {
    Cursor cursor = Cursor::open(connection, request).value();
    REQUIRE(cursor.next().value().has_value());
    CHECK(cursor.is_open());
  }
  Cursor again = Cursor::open(connection, request).value();
  CHECK(ids(again).size() == 100);
  drop(connection);
}

TEST_CASE("a command that the server does not know is its refusal, not a broken connection") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  Connection connection = deployment->connect_to(ReadFrom::primary).value();
  bson::Builder command;
  command.append_int32("holdfastNonsense", 1);
  const Reply reply = connection.run("admin", command.finish()).value();
  CHECK_FALSE(reply.is_ok);
  CHECK(!reply.message.empty());
  CHECK(connection.run_ok("admin", command.finish(), "asking nonsense").error().code ==
        ErrorCode::server_failed);
  CHECK(drop(connection).is_ok);
}

TEST_CASE("what the user may do is found out or said to be unknown") {
  const char* uri = server();
  if (uri == nullptr) return;
  World world;
  const auto deployment = world.connect(uri).value();
  Connection connection = deployment->connect_to(ReadFrom::primary).value();
  const auto report = check_grants(connection, Purpose::backup).value();
  CHECK((!report.is_enforced || !report.user.empty()));
  CHECK(require(report).has_value());
}

TEST_CASE("where nobody answers, the error says so within the limit and without the password") {
  World world;
  const auto started = world.clock.monotonic();
  const auto refused = world.connect("mongodb://bk:hush@127.0.0.1:1/?connectTimeoutMS=300", 500);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::server_unreachable);
  CHECK(describe(refused.error()).find("hush") == std::string::npos);
  CHECK(world.clock.monotonic() - started < std::chrono::seconds(10));
}

}  // namespace holdfast::mongo
