#include "mongo/reply.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace holdfast::mongo {

namespace {

// NotWritablePrimary, PrimarySteppedDown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk,
// NotPrimaryOrSecondary, InterruptedAtShutdown, ShutdownInProgress, HostUnreachable, HostNotFound,
// NetworkTimeout, SocketException.
constexpr std::array<std::int32_t, 11> state_changes{10107, 189, 11602, 13435, 13436, 11600,
                                                     91,    6,   7,     89,    9001};

// A lost cursor is as good as a lost connection: reading again may help.
ErrorCode error_code_of(ServerCode code) {
  if (code == ServerCode::unauthorized || code == ServerCode::authentication_failed)
    return ErrorCode::denied;
  if (code == ServerCode::cursor_not_found) return ErrorCode::server_unreachable;
  return is_state_change(code) ? ErrorCode::server_unreachable : ErrorCode::server_failed;
}

}  // namespace

bool is_state_change(ServerCode code) {
  const auto number = static_cast<std::int32_t>(code);
  return std::find(state_changes.begin(), state_changes.end(), number) != state_changes.end();
}

Error error_of(const Reply& reply, std::string_view doing) {
  return {error_code_of(reply.code),
          fmt::format("{}: the server says {} (error {})", doing, reply.message,
                      static_cast<std::int32_t>(reply.code)),
          {},
          std::source_location::current()};
}

}  // namespace holdfast::mongo
