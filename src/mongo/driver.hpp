#pragma once
// libmongoc behind one door, private to this folder: its handles with owners, its errors as ours.
// No header that others include shows it. It keeps the password of a URI in memory of its own
// (docs/threat_model.md).
#include <mongoc/mongoc.h>

#include <memory>

#include "base/secret.hpp"
#include "mongo/reply.hpp"

namespace holdfast::mongo {

struct UriCloser {
  void operator()(mongoc_uri_t* uri) const;
};
struct PoolCloser {
  void operator()(mongoc_client_pool_t* pool) const;
};
struct ClientReturner {
  mongoc_client_pool_t* pool = nullptr;
  void operator()(mongoc_client_t* client) const;
};
struct SessionCloser {
  void operator()(mongoc_client_session_t* session) const;
};
// g++ lets no type with an alignment of its own be a template argument: the handle names another.
struct OwnedBson;
struct BsonCloser {
  using pointer = bson_t*;
  void operator()(bson_t* document) const;
};

using UriHandle = std::unique_ptr<mongoc_uri_t, UriCloser>;
using PoolHandle = std::unique_ptr<mongoc_client_pool_t, PoolCloser>;
using ClientHandle = std::unique_ptr<mongoc_client_t, ClientReturner>;
using SessionHandle = std::unique_ptr<mongoc_client_session_t, SessionCloser>;
using BsonHandle = std::unique_ptr<OwnedBson, BsonCloser>;

// Once per process, before anything else of libmongoc; its log goes nowhere, for it may name URIs.
void start_driver();

// Error: usage, without any part of the text that could be a secret.
Result<UriHandle> parse_uri(const Secret& text);

// An error that did not come from a server's answer. `doing`: "connecting to mongodb://…".
Error error_of_driver(const bson_error_t& error, std::string_view doing);

// An answer as it came. Error: malformed.
Result<Reply> reply_of(ByteView answer);

}  // namespace holdfast::mongo
