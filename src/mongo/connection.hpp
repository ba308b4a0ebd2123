#pragma once
// Commands to one member of a deployment.
#include <memory>
#include <string>

#include "mongo/reply.hpp"

namespace holdfast::mongo {

// What a member says about itself (`hello`). Plain value.
struct MemberFacts {
  std::uint32_t number = 0;  // within one Deployment, while its address is the same
  std::string address;       // "host:port"
  std::string set_name;      // empty: it is no member of a replica set
  bool is_primary = false;
  bool is_secondary = false;
  bool is_arbiter = false;
  bool is_router = false;  // mongos
  std::int32_t wire_version_max = 0;
  bson::Timestamp last_write;           // its newest entry; {} if it does not tell
  bson::Timestamp last_majority_write;  // of these, the newest that can not be rolled back

  bool takes_writes() const { return is_primary || is_router || set_name.empty(); }
};

// One borrowed connection, pinned to one member. One thread; movable; given back at the end. The
// Deployment must outlive it.
class Connection {
 public:
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  const MemberFacts& member() const;

  // Sends a command and waits for its answer. Errors: server_unreachable (the network, a member
  // that is gone, no answer within the limit), malformed (an answer that is not BSON). It is never
  // sent twice by itself.
  Result<Reply> run(std::string_view db, bson::Document command);
  // The same, where `ok: 0` is an error too (error_of). `doing` is for its message.
  Result<Bytes> run_ok(std::string_view db, bson::Document command, std::string_view doing);

  // Through Deployment only.
  class Impl;
  explicit Connection(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::mongo
