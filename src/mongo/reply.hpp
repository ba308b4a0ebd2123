#pragma once
// What a server answered to a command, and what its error numbers mean to us.
#include <string>

#include "bson/view.hpp"

namespace holdfast::mongo {

// Error numbers of the server that somebody here decides by (mongo/base/error_codes.yml).
enum class ServerCode : std::int32_t {
  none = 0,
  unauthorized = 13,
  authentication_failed = 18,
  namespace_not_found = 26,
  cursor_not_found = 43,
  namespace_exists = 48,
  command_not_found = 59,
  capped_position_lost = 136,
  duplicate_key = 11000
};

// A command's answer. Value type. `ok: 0` is an answer too; only a broken connection is an Error.
struct Reply {
  Bytes bytes;                         // validated
  ServerCode code = ServerCode::none;  // of `ok: 0`; numbers beyond the list are kept as they are
  std::string message;                 // of `ok: 0`
  bool is_ok = true;

  bson::Document body() const { return bson::Document::trusted(bytes); }
};

// Whether the member is on its way to another state (election, shutdown): try another one later.
bool is_state_change(ServerCode code);

// The Error for an answer that was no success: denied (13, 18), server_unreachable (state changes),
// else server_failed. `doing`: "listing the collections of shop".
Error error_of(const Reply& reply, std::string_view doing);

}  // namespace holdfast::mongo
