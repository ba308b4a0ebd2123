#include "mongo/connection.hpp"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include "bson/builder.hpp"
#include "mongo/connection_impl.hpp"
#include "mongo/hello.hpp"

namespace holdfast::mongo {

namespace {

SessionHandle start_session(mongoc_client_t* client) {
  mongoc_session_opt_t* options = mongoc_session_opts_new();
  mongoc_session_opts_set_causal_consistency(options, false);
  bson_error_t error;
  SessionHandle session(mongoc_client_start_session(client, options, &error));
  mongoc_session_opts_destroy(options);
  return session;
}

ByteView bytes_of(const bson_t& document) {
  return {bson_get_data(&document), document.len};
}

// Members of a set are asked for what they have, whether they are primary or not. Lives as long as
// the process.
const mongoc_read_prefs_t* from_any_member() {
  struct Destroy {
    void operator()(mongoc_read_prefs_t* prefs) const { mongoc_read_prefs_destroy(prefs); }
  };
  static const std::unique_ptr<mongoc_read_prefs_t, Destroy> prefs(
      mongoc_read_prefs_new(MONGOC_READ_PRIMARY_PREFERRED));
  return prefs.get();
}

bson::Document hello_command(std::string_view name, bson::Builder& builder) {
  builder.clear();
  builder.append_int32(name, 1);
  return builder.finish();
}

}  // namespace

Connection::Impl::Impl(ClientHandle client, MemberFacts member)
    : client_(std::move(client)),
      session_(start_session(client_.get())),
      options_(bson_new()),
      member_(std::move(member)) {
  BSON_APPEND_INT32(options_.get(), "serverId", static_cast<std::int32_t>(member_.number));
  bson_error_t error;
  if (session_ != nullptr && !mongoc_client_session_append(session_.get(), options_.get(), &error))
    session_.reset();
}

Result<Reply> Connection::Impl::run(std::string_view db, bson::Document command) {
  bson_t request;
  if (!bson_init_static(&request, command.bytes().data(), command.bytes().size()))
    return fail(ErrorCode::malformed, "a command that is not BSON");
  bson_t answer;
  bson_error_t error{};
  const auto* prefs = member_.set_name.empty() ? nullptr : from_any_member();
  const bool is_ok = mongoc_client_command_with_opts(
      client_.get(), std::string(db).c_str(), &request, prefs, options_.get(), &answer, &error);
  struct Free {
    bson_t& document;
    ~Free() { bson_destroy(&document); }
  } const free{answer};
  if (!is_ok && (error.domain != MONGOC_ERROR_SERVER || !bson_has_field(&answer, "ok")))
    return fail(error_of_driver(error, fmt::format("talking to {}", member_.address)));
  return reply_of(bytes_of(answer));
}

Result<void> Connection::Impl::introduce() {
  bson::Builder builder;
  Reply reply = TRY(run("admin", hello_command("hello", builder)));
  if (!reply.is_ok) reply = TRY(run("admin", hello_command("isMaster", builder)));
  if (!reply.is_ok) return fail(error_of(reply, fmt::format("greeting {}", member_.address)));
  MemberFacts facts = facts_of(reply.body());
  facts.number = member_.number;
  if (facts.address.empty()) facts.address = member_.address;
  member_ = std::move(facts);
  return {};
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

const MemberFacts& Connection::member() const {
  return impl_->member();
}

Result<Reply> Connection::run(std::string_view db, bson::Document command) {
  return impl_->run(db, command);
}

Result<Bytes> Connection::run_ok(std::string_view db, bson::Document command,
                                 std::string_view doing) {
  Reply reply = TRY(run(db, command).while_doing(std::string(doing)));
  if (!reply.is_ok) return fail(error_of(reply, doing));
  return std::move(reply.bytes);
}

}  // namespace holdfast::mongo
