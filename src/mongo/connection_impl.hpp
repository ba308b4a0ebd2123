#pragma once
// A client of libmongoc's pool, pinned to one member: private to this folder.
#include "mongo/connection.hpp"
#include "mongo/driver.hpp"

namespace holdfast::mongo {

// One thread. The pool must outlive it.
class Connection::Impl {
 public:
  // `client` is given back to its pool at the end. One session for all commands, so that the
  // batches of a cursor come from the session that opened it; none where the server has none.
  Impl(ClientHandle client, MemberFacts member);

  const MemberFacts& member() const { return member_; }
  Result<Reply> run(std::string_view db, bson::Document command);
  // Asks the member who it is and keeps the answer. Errors: those of run().
  Result<void> introduce();

 private:
  ClientHandle client_;
  SessionHandle session_;  // before the client goes back
  BsonHandle options_;
  MemberFacts member_;
};

}  // namespace holdfast::mongo
