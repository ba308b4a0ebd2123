#pragma once
// A MongoDB server, replica set or cluster, and connections to its members. The only folder that
// knows libmongoc is this one.
#include <chrono>
#include <vector>

#include "base/context.hpp"
#include "mongo/connection.hpp"
#include "mongo/uri.hpp"

namespace holdfast::mongo {

struct ConnectOptions {
  std::chrono::milliseconds selection_time_max{15'000};  // until a member is found
  std::chrono::milliseconds answer_time_max{300'000};    // until a command is answered
  std::size_t connections_max = 40;  // a restore: 32 that write, and some for its notes
  // Read only from members whose newest entry is at most this old (by the primary's).
  std::chrono::seconds lag_max{90};
};

enum class ReadFrom : std::uint8_t {
  primary,
  secondary_preferred  // never an arbiter, never one that lags too much; the primary if none is
                       // left
};

// Thread-safe.
class Deployment {
 public:
  // Finds the members. Errors: server_unreachable (nobody answers), denied (user or password),
  // usage (options that contradict each other).
  static Result<std::unique_ptr<Deployment>> connect(const Uri& uri, Context& context,
                                                     const ConnectOptions& options = {});
  ~Deployment();
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // Those that are reachable now, asked anew; the primary first. A lone server or a router is the
  // only member.
  Result<std::vector<MemberFacts>> members();

  // A connection to a member that fits. Errors: server_unreachable when there is none within
  // selection_time_max.
  Result<Connection> connect_to(ReadFrom from);
  // To this very member.
  Result<Connection> connect_to(const MemberFacts& member);

  // "5.0.24" (buildInfo); asked once.
  Result<std::string> server_version();
  const std::string& redacted_uri() const;
  const ConnectOptions& options() const;

  // Through connect() only.
  class Impl;
  explicit Deployment(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::mongo
