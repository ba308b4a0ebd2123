#pragma once
// Talking to the member of a deployment that takes writes, whoever that is: through elections and
// short network cuts, with a bounded number of attempts.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bson/builder.hpp"
#include "mongo/deployment.hpp"

namespace holdfast::recover {

// Pauses of 1, 2, 4, … seconds between them.
constexpr unsigned write_attempts_max = 6;
// Of a command that the server still worked on when the limit of an answer was over.
constexpr unsigned long_attempts_max = 100;

// One document or operation of a write command that the server refused.
struct WriteFailure {
  std::size_t index = 0;  // in the command's list
  std::int32_t code = 0;
  std::string message;
  bool is_duplicate_id = false;  // the `_id` is taken

  bool is_duplicate_key() const {
    return code == static_cast<std::int32_t>(mongo::ServerCode::duplicate_key);
  }
};

struct WriteOutcome {
  std::uint64_t count = 0;  // `n` of the answer: inserted, matched or removed
  std::vector<WriteFailure> failures;
  bool is_repeated = false;  // sent more than once: part of it may have been done before
};

// Pure: the failures in an answer.
std::vector<WriteFailure> failures_of(bson::Document reply);

// One thread. The Deployment and the Context must outlive it.
class PrimaryLink {
 public:
  PrimaryLink(mongo::Deployment& deployment, Context& context)
      : deployment_(deployment), context_(context) {}

  // The connection now in use; made when there is none. Errors: server_unreachable, denied.
  Result<mongo::Connection*> connection();

  // insert, update, delete. Sent again, unchanged, when the member is gone or no primary any more.
  // Errors: server_unreachable (after the last attempt), denied, server_failed (also when the
  // majority did not confirm), interrupted.
  Result<WriteOutcome> write(const std::string& db, bson::Document command, std::string_view doing);
  // Something that only reads: done again from its begin when the member is gone or has lost the
  // cursor. Errors: those of `reading`, server_unreachable after the last attempt; interrupted.
  using Reading = std::function<Result<void>(mongo::Connection&)>;
  Result<void> read(const Reading& reading);
  // Any command whose answer is to be judged by the caller. Sent once, so it may have been done
  // when this fails. A connection that broke, or whose member is no primary any more, is given up.
  Result<mongo::Reply> run(const std::string& db, bson::Document command);
  // The same for a command that may be repeated and may take long, like building an index: sent
  // again as write() does it, and when the answer did not come in time. Errors: server_unreachable
  // (after the last attempt), interrupted.
  Result<mongo::Reply> run_again(const std::string& db, bson::Document command,
                                 std::string_view doing);

 private:
  Result<mongo::Reply> attempt(const std::string& db, bson::Document command,
                               std::string_view doing);
  // After the n-th failure in a row: a pause and then a new connection, or the error.
  Result<void> prepare_again(Error error, unsigned failure_count);
  Result<void> pause(unsigned attempt);

  mongo::Deployment& deployment_;
  Context& context_;
  std::optional<mongo::Connection> connection_;
};

// Appends `writeConcern: {w: "majority"}`.
void append_majority(bson::Builder& command);

}  // namespace holdfast::recover
