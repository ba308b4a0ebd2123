#include "mongo/deployment.hpp"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>

#include "base/mutex.hpp"
#include "bson/builder.hpp"
#include "mongo/connection_impl.hpp"
#include "mongo/hello.hpp"

namespace holdfast::mongo {

namespace {

// After the first member answered, how long the others may take to be known too.
constexpr auto others_known_max = std::chrono::milliseconds(500);
constexpr auto others_known_step = std::chrono::milliseconds(10);
constexpr std::int32_t connect_timeout_ms = 10'000;
constexpr std::int32_t heartbeat_ms = 5'000;

// What libmongoc knows of the members, without asking.
class Descriptions {
 public:
  explicit Descriptions(const mongoc_client_t* client)
      : all_(mongoc_client_get_server_descriptions(client, &count_)) {}
  ~Descriptions() { mongoc_server_descriptions_destroy_all(all_, count_); }
  Descriptions(const Descriptions&) = delete;
  Descriptions& operator=(const Descriptions&) = delete;

  std::span<mongoc_server_description_t*> all() const { return {all_, count_}; }
  bool has_unknown() const {
    const auto servers = all();
    return std::any_of(servers.begin(), servers.end(), [](const auto* server) {
      return std::string_view(mongoc_server_description_type(server)) == "Unknown";
    });
  }

 private:
  std::size_t count_ = 0;
  mongoc_server_description_t** all_;
};

MemberFacts facts_of_description(const mongoc_server_description_t& server) {
  MemberFacts facts;
  const bson_t* hello = mongoc_server_description_hello_response(&server);
  const auto valid = bson::Document::validate({bson_get_data(hello), hello->len});
  if (valid.has_value()) facts = facts_of(*valid);
  facts.number = mongoc_server_description_id(&server);
  // libmongoc's accessor takes a pointer to what it does not change.
  auto* host = mongoc_server_description_host(&const_cast<mongoc_server_description_t&>(server));
  facts.address = host->host_and_port;
  return facts;
}

void set_unless_given(mongoc_uri_t* uri, const char* option, std::int64_t value) {
  if (!mongoc_uri_has_option(uri, option))
    mongoc_uri_set_option_as_int32(uri, option, static_cast<std::int32_t>(value));
}

void set_limits(mongoc_uri_t* uri, const ConnectOptions& options) {
  set_unless_given(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, options.selection_time_max.count());
  set_unless_given(uri, MONGOC_URI_SOCKETTIMEOUTMS, options.answer_time_max.count());
  set_unless_given(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, options.selection_time_max.count());
  set_unless_given(uri, MONGOC_URI_CONNECTTIMEOUTMS, connect_timeout_ms);
  set_unless_given(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, heartbeat_ms);
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
  mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
}

}  // namespace

class Deployment::Impl {
 public:
  Impl(std::string redacted, Context& context, const ConnectOptions& options)
      : redacted_(std::move(redacted)), context_(context), options_(options) {}

  Result<void> open(const Uri& uri) {
    const UriHandle parsed = TRY(parse_uri(uri.text()));
    set_limits(parsed.get(), options_);
    bson_error_t error{};
    pool_.reset(mongoc_client_pool_new_with_error(parsed.get(), &error));
    if (pool_ == nullptr) return fail(with_code(error, ErrorCode::usage));
    mongoc_client_pool_set_error_api(pool_.get(), MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(pool_.get(), "holdfast");
    mongoc_client_pool_max_size(pool_.get(), static_cast<std::uint32_t>(options_.connections_max));
    return wait_for_members();
  }

  Result<std::vector<MemberFacts>> members() {
    ClientHandle client = TRY(borrow());
    TRY(select(client.get(), ReadFrom::secondary_preferred));
    std::vector<MemberFacts> known = known_members(client.get());
    client.reset();
    std::vector<MemberFacts> reached;
    Result<void> last =
        fail(ErrorCode::server_unreachable, fmt::format("no member of {} answers", redacted_));
    for (auto& member : known) {
      if (member.is_arbiter) {  // it knows no users
        reached.push_back(std::move(member));
        continue;
      }
      auto connection = connect_to(member);
      if (connection.has_value())
        reached.push_back(connection->member());
      else
        last = fail(std::move(connection.error()));
    }
    if (reached.empty()) return fail(std::move(last.error()));
    std::stable_partition(reached.begin(), reached.end(),
                          [](const MemberFacts& member) { return member.is_primary; });
    return reached;
  }

  Result<Connection> connect_to(ReadFrom from) {
    if (from == ReadFrom::primary) return connect_to_primary();
    const auto all = TRY(members());
    Result<Connection> last =
        fail(ErrorCode::server_unreachable,
             fmt::format("{} has no member to read from: none is a secondary within {} s of the "
                         "newest entry, nor takes writes",
                         redacted_, options_.lag_max.count()));
    for (const auto& member : readable(all, options_.lag_max)) {
      last = connect_to(member);
      if (last.has_value()) break;
    }
    return last;
  }

  Result<Connection> connect_to(const MemberFacts& member) {
    ClientHandle client = TRY(borrow());
    auto impl = std::make_unique<Connection::Impl>(std::move(client), member);
    TRY(impl->introduce().while_doing("connecting to " + redacted_));
    return Connection(std::move(impl));
  }

  Result<std::string> server_version() {
    {
      MutexLock lock(mutex_);
      if (!version_.empty()) return version_;
    }
    Connection connection = TRY(connect_to(ReadFrom::secondary_preferred));
    bson::Builder builder;
    builder.append_int32("buildInfo", 1);
    const Bytes answer =
        TRY(connection.run_ok("admin", builder.finish(), "asking for the server's version"));
    const auto version = bson::Document::trusted(answer).find("version");
    if (!version || version->type != bson::Type::string)
      return fail(ErrorCode::server_failed, "the server does not tell its version");
    MutexLock lock(mutex_);
    version_ = version->as_text();
    return version_;
  }

  const std::string& redacted() const { return redacted_; }
  const ConnectOptions& options() const { return options_; }

 private:
  Error with_code(const bson_error_t& error, ErrorCode code) const {
    Error mapped = error_of_driver(error, "connecting to " + redacted_);
    mapped.code = code;
    return mapped;
  }

  Result<ClientHandle> borrow() {
    ClientHandle client(mongoc_client_pool_pop(pool_.get()), ClientReturner{pool_.get()});
    if (client == nullptr)
      return fail(ErrorCode::limit_exceeded, fmt::format("all {} connections to {} are in use",
                                                         options_.connections_max, redacted_));
    return client;
  }

  // Waits until a member that fits is known; its description.
  Result<MemberFacts> select(mongoc_client_t* client, ReadFrom from) {
    mongoc_read_prefs_t* nearest = mongoc_read_prefs_new(MONGOC_READ_NEAREST);
    bson_error_t error{};
    const bool is_primary = from == ReadFrom::primary;
    mongoc_server_description_t* server =
        mongoc_client_select_server(client, is_primary, is_primary ? nullptr : nearest, &error);
    mongoc_read_prefs_destroy(nearest);
    if (server == nullptr) return fail(error_of_driver(error, "connecting to " + redacted_));
    MemberFacts facts = facts_of_description(*server);
    mongoc_server_description_destroy(server);
    return facts;
  }

  static std::vector<MemberFacts> known_members(const mongoc_client_t* client) {
    const Descriptions descriptions(client);
    std::vector<MemberFacts> known;
    for (const auto* server : descriptions.all()) {
      const std::string_view type = mongoc_server_description_type(server);
      if (type != "Unknown" && type != "PossiblePrimary") {
        known.push_back(facts_of_description(*server));
      }
    }
    return known;
  }

  // The first answer makes a member known; the others follow within a moment if they are there.
  Result<void> wait_for_members() {
    ClientHandle client = TRY(borrow());
    const MemberFacts first = TRY(select(client.get(), ReadFrom::secondary_preferred));
    for (auto waited = std::chrono::milliseconds(0);
         waited < others_known_max && Descriptions(client.get()).has_unknown();
         waited += others_known_step)
      context_.clock.sleep_for(others_known_step);
    client.reset();
    const Connection greeted = TRY(connect_to(first));
    return {};
  }

  Result<Connection> connect_to_primary() {
    ClientHandle client = TRY(borrow());
    const MemberFacts primary = TRY(select(client.get(), ReadFrom::primary));
    client.reset();
    Connection connection = TRY(connect_to(primary));
    if (!connection.member().takes_writes())
      return fail(ErrorCode::server_unreachable,
                  fmt::format("{} takes no writes: it is no primary", primary.address));
    return connection;
  }

  const std::string redacted_;
  Context& context_;
  const ConnectOptions options_;
  PoolHandle pool_;
  Mutex mutex_;
  std::string version_ GUARDED_BY(mutex_);
};

Deployment::Deployment(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Deployment::~Deployment() = default;

Result<std::unique_ptr<Deployment>> Deployment::connect(const Uri& uri, Context& context,
                                                        const ConnectOptions& options) {
  start_driver();
  auto impl = std::make_unique<Impl>(uri.redacted(), context, options);
  TRY(impl->open(uri));
  return std::make_unique<Deployment>(std::move(impl));
}

Result<std::vector<MemberFacts>> Deployment::members() {
  return impl_->members();
}
Result<Connection> Deployment::connect_to(ReadFrom from) {
  return impl_->connect_to(from);
}
Result<Connection> Deployment::connect_to(const MemberFacts& member) {
  return impl_->connect_to(member);
}
Result<std::string> Deployment::server_version() {
  return impl_->server_version();
}
const std::string& Deployment::redacted_uri() const {
  return impl_->redacted();
}
const ConnectOptions& Deployment::options() const {
  return impl_->options();
}

}  // namespace holdfast::mongo
