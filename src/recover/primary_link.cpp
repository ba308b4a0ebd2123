#include "recover/primary_link.hpp"

#include <fmt/format.h>

#include "recover/live_catalog.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

std::int64_t number_of(Document document, std::string_view name) {
  const auto value = document.find(name);
  return value ? value->as_integer().value_or(0) : 0;
}

// By the pattern that newer servers send, else by the text.
bool is_about_id(Document failure, std::string_view message) {
  const auto pattern = failure.find("keyPattern");
  if (pattern && pattern->type == bson::Type::document && !pattern->as_document().is_empty()) {
    const auto keys = pattern->as_document();
    const auto first = keys.begin();
    auto second = first;
    ++second;
    return first->name == "_id" && second == keys.end();
  }
  return message.find("_id_") != std::string_view::npos ||
         message.find("{ _id:") != std::string_view::npos;
}

}  // namespace

std::vector<WriteFailure> failures_of(Document reply) {
  std::vector<WriteFailure> failures;
  const auto list = reply.find("writeErrors");
  if (!list || list->type != bson::Type::array) return failures;
  for (const auto& element : list->as_document()) {
    if (element.value.type != bson::Type::document) continue;
    const auto row = element.value.as_document();
    WriteFailure failure;
    failure.index = static_cast<std::size_t>(number_of(row, "index"));
    failure.code = static_cast<std::int32_t>(number_of(row, "code"));
    failure.message = text_of(row, "errmsg");
    failure.is_duplicate_id = failure.is_duplicate_key() && is_about_id(row, failure.message);
    failures.push_back(std::move(failure));
  }
  return failures;
}

void append_majority(bson::Builder& command) {
  command.begin_document("writeConcern");
  command.append_text("w", "majority");
  command.end();
}

Result<mongo::Connection*> PrimaryLink::connection() {
  if (!connection_) {
    auto made = TRY(deployment_.connect_to(mongo::ReadFrom::primary));
    connection_.emplace(std::move(made));
  }
  return &*connection_;
}

Result<void> PrimaryLink::pause(unsigned attempt) {
  constexpr auto step = std::chrono::milliseconds(100);
  for (auto left = std::chrono::milliseconds(1000) * (1U << attempt); left.count() > 0;
       left -= step) {
    TRY(context_.check_stop());
    context_.clock.sleep_for(step);
  }
  return {};
}

// An answer that says "not the primary any more" is a failed attempt too.
Result<mongo::Reply> PrimaryLink::attempt(const std::string& db, Document command,
                                          std::string_view doing) {
  auto* to = TRY(connection());
  auto reply = TRY(to->run(db, command).while_doing(std::string(doing)));
  if (!reply.is_ok) return fail(mongo::error_of(reply, doing));
  const auto concern = reply.body().find("writeConcernError");
  if (concern && concern->type == bson::Type::document) {
    const auto row = concern->as_document();
    const auto code = static_cast<mongo::ServerCode>(number_of(row, "code"));
    return fail(
        mongo::is_state_change(code) ? ErrorCode::server_unreachable : ErrorCode::server_failed,
        fmt::format("{}: the majority did not confirm: {}", doing, text_of(row, "errmsg")));
  }
  return reply;
}

Result<WriteOutcome> PrimaryLink::write(const std::string& db, Document command,
                                        std::string_view doing) {
  for (unsigned number = 0;; ++number) {
    TRY(context_.check_stop());
    auto reply = attempt(db, command, doing);
    if (reply.has_value()) {
      WriteOutcome outcome;
      outcome.count = static_cast<std::uint64_t>(number_of(reply->body(), "n"));
      outcome.failures = failures_of(reply->body());
      outcome.is_repeated = number > 0;
      return outcome;
    }
    TRY(prepare_again(std::move(reply.error()), number + 1));
  }
}

Result<void> PrimaryLink::prepare_again(Error error, unsigned failure_count) {
  const bool may_pass = error.code == ErrorCode::server_unreachable;
  if (!may_pass || failure_count == write_attempts_max) return fail(std::move(error));
  context_.log.warn(fmt::format("{}; trying again", describe(error)));
  connection_.reset();
  return pause(failure_count - 1);
}

Result<void> PrimaryLink::read(const Reading& reading) {
  const auto once = [&]() -> Result<void> {
    auto* from = TRY(connection());
    return reading(*from);
  };
  for (unsigned failure_count = 1;; ++failure_count) {
    TRY(context_.check_stop());
    auto done = once();
    if (done.has_value()) return done;
    TRY(prepare_again(std::move(done.error()), failure_count));
  }
}

Result<mongo::Reply> PrimaryLink::run(const std::string& db, Document command) {
  auto* to = TRY(connection());
  auto reply = to->run(db, command);
  const bool is_lost = !reply.has_value() || mongo::is_state_change(reply->code);
  if (is_lost) connection_.reset();
  return reply;
}

Result<mongo::Reply> PrimaryLink::run_again(const std::string& db, Document command,
                                            std::string_view doing) {
  unsigned failure_count = 0;
  for (unsigned number = 1;; ++number) {
    TRY(context_.check_stop());
    const Duration began = context_.clock.monotonic();
    auto reply = run(db, command).while_doing(std::string(doing));
    const bool is_answer = reply.has_value() && !mongo::is_state_change(reply->code);
    if (is_answer) return reply;
    const Duration spent = context_.clock.monotonic() - began;
    const bool was_at_work =
        spent >= deployment_.options().answer_time_max && number < long_attempts_max;
    failure_count = was_at_work ? 1 : failure_count + 1;
    TRY(prepare_again(reply.has_value() ? mongo::error_of(*reply, doing) : reply.error(),
                      failure_count));
  }
}

}  // namespace holdfast::recover
