#include "mongo/driver.hpp"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>
#include <cctype>

namespace holdfast::mongo {

namespace {

void ignore_log(mongoc_log_level_t, const char*, const char*, void*) {}

// A quoted part of a message may repeat a piece of the URI: only names of options are kept.
std::string without_quoted_texts(std::string_view message) {
  std::string kept;
  bool is_quoted = false;
  std::string quoted;
  for (const char letter : message) {
    if (letter == '"' || letter == '\'' || letter == '`') {
      if (is_quoted) {
        const bool is_option = mongoc_uri_option_is_utf8(quoted.c_str()) ||
                               mongoc_uri_option_is_bool(quoted.c_str()) ||
                               mongoc_uri_option_is_int32(quoted.c_str()) ||
                               mongoc_uri_option_is_int64(quoted.c_str());
        kept += is_option ? quoted : "…";
      }
      quoted.clear();
      is_quoted = !is_quoted;
    } else {
      (is_quoted ? quoted : kept) += letter;
    }
  }
  return kept;
}

ErrorCode code_of(const bson_error_t& error) {
  switch (error.domain) {
    case MONGOC_ERROR_STREAM:
    case MONGOC_ERROR_SERVER_SELECTION:
    case MONGOC_ERROR_POOL:
      return ErrorCode::server_unreachable;
    case MONGOC_ERROR_SASL:
    case MONGOC_ERROR_SCRAM:
      return ErrorCode::denied;
    case MONGOC_ERROR_CLIENT:
      return error.code == MONGOC_ERROR_CLIENT_AUTHENTICATE ? ErrorCode::denied
                                                            : ErrorCode::server_failed;
    default:
      return ErrorCode::server_failed;
  }
}

}  // namespace

void UriCloser::operator()(mongoc_uri_t* uri) const {
  mongoc_uri_destroy(uri);
}
void PoolCloser::operator()(mongoc_client_pool_t* pool) const {
  mongoc_client_pool_destroy(pool);
}
void ClientReturner::operator()(mongoc_client_t* client) const {
  mongoc_client_pool_push(pool, client);
}
void SessionCloser::operator()(mongoc_client_session_t* session) const {
  mongoc_client_session_destroy(session);
}
void BsonCloser::operator()(bson_t* document) const {
  bson_destroy(document);
}

void start_driver() {
  struct Driver {
    Driver() {
      mongoc_log_set_handler(ignore_log, nullptr);
      mongoc_init();
    }
    ~Driver() { mongoc_cleanup(); }
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
  };
  static Driver once;
}

Result<UriHandle> parse_uri(const Secret& text) {
  start_driver();
  const ByteView bytes = text.reveal();
  if (std::find(bytes.begin(), bytes.end(), std::uint8_t{0}) != bytes.end())
    return fail(ErrorCode::usage, "a connection string with a zero byte in it");
  Bytes terminated = to_bytes(bytes);
  terminated.push_back(0);
  const Secret copy(terminated);
  OPENSSL_cleanse(terminated.data(), terminated.size());
  bson_error_t error{};
  UriHandle uri(
      mongoc_uri_new_with_error(reinterpret_cast<const char*>(copy.reveal().data()), &error));
  if (uri == nullptr)
    return fail(ErrorCode::usage, fmt::format("not a usable connection string: {}",
                                              without_quoted_texts(error.message)));
  return uri;
}

Error error_of_driver(const bson_error_t& error, std::string_view doing) {
  std::string message = error.message;
  while (!message.empty() && (message.back() == '.' || message.back() == ' ')) message.pop_back();
  return {
      code_of(error), fmt::format("{}: {}", doing, message), {}, std::source_location::current()};
}

Result<Reply> reply_of(ByteView answer) {
  const bson::Document body =
      TRY(bson::Document::validate(answer).while_doing("reading a server's answer"));
  Reply reply{.bytes = to_bytes(answer), .code = {}, .message = {}, .is_ok = true};
  const auto ok = body.find("ok");
  const bool is_true = ok && ok->type == bson::Type::boolean && ok->as_bool();
  reply.is_ok = ok && (is_true || ok->as_integer().value_or(0) == 1);
  if (reply.is_ok) return reply;
  if (const auto code = body.find("code"))
    reply.code = ServerCode{static_cast<std::int32_t>(code->as_integer().value_or(0))};
  const auto message = body.find("errmsg");
  if (message && message->type == bson::Type::string) reply.message = message->as_text();
  return reply;
}

}  // namespace holdfast::mongo
