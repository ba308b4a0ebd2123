#include "recover/restore_marker.hpp"

#include <fmt/format.h>

#include "mongo/cursor.hpp"
#include "recover/live_catalog.hpp"

namespace holdfast::recover {

namespace {

using bson::Document;

constexpr std::string_view collection_name = "progress";
constexpr std::string_view restore_id = "restore";
constexpr std::string_view doing = "noting the progress on the target";
constexpr std::string_view at_work =
    "another process is at work on the same restore to this target";

std::string taken_over() {
  return fmt::format(
      "another process goes on with this restore, or has finished it (the notes in {} are not ours "
      "any more)",
      notes_database);
}

std::string_view text_of(RestoreState state) {
  switch (state) {
    case RestoreState::writing:
      return "writing";
    case RestoreState::written:
      return "written";
    case RestoreState::placed:
      return "placed";
  }
  return "";
}

CollectionMark read_mark(Document document) {
  CollectionMark mark;
  const auto state = document.find("state");
  const std::string_view text =
      state && state->type == bson::Type::string ? state->as_text() : std::string_view();
  if (text == "written") mark.state = RestoreState::written;
  if (text == "placed") mark.state = RestoreState::placed;
  const auto key = document.find("key");
  constexpr std::size_t header_bytes = 5;  // length and subtype
  if (key && key->type == bson::Type::binary)
    mark.confirmed_key = to_bytes(key->bytes.subspan(header_bytes));
  return mark;
}

}  // namespace

RestoreMarker::RestoreMarker(PrimaryLink& link, mongo::Deployment& target, Context& context,
                             std::string identity)
    : link_(link),
      target_(target),
      context_(context),
      identity_(std::move(identity)),
      process_(fmt::format("{:016x}", context.rng.next())) {}

Result<std::optional<RestoreMarker::Owner>> RestoreMarker::read_owner(PrimaryLink& link) const {
  std::optional<Owner> owner;
  const auto reading = [&](mongo::Connection& connection) -> Result<void> {
    owner.reset();
    bson::Builder filter;
    filter.append_text("_id", restore_id);
    mongo::FindRequest request;
    request.db = notes_database;
    request.collection = collection_name;
    request.filter = filter.take();
    auto cursor = TRY(mongo::Cursor::open(connection, request));
    const auto next = TRY(cursor.next());
    if (!next) return {};
    const auto document = Document::trusted(*next);
    owner = Owner{text_of(document, "identity"), text_of(document, "beat")};
    return {};
  };
  TRY(link.read(reading));
  return owner;
}

Result<void> RestoreMarker::load() {
  auto owner = TRY(read_owner(link_));
  if (owner && owner->identity != identity_)
    return fail(ErrorCode::refused,
                fmt::format("another restore is unfinished on the target: {}. Finish it with the "
                            "same command, or drop the database {} there to forget it",
                            owner->identity.empty() ? "unknown" : owner->identity, notes_database));
  if (owner) owner = TRY(watch(std::move(*owner)));
  is_begun_ = owner.has_value();
  if (!owner) return {};
  seen_beat_ = owner->beat;
  return load_marks();
}

// Nothing: the other run has just finished.
Result<std::optional<RestoreMarker::Owner>> RestoreMarker::watch(Owner owner) {
  constexpr auto step = std::chrono::milliseconds(250);
  context_.log.note(
      fmt::format("an earlier run of this restore is unfinished on the target: watching for {} s "
                  "whether it is still at work",
                  beat_patience.count()));
  for (Duration waited{}; waited < beat_patience; waited += step) {
    TRY(context_.check_stop());
    context_.clock.sleep_for(step);
    auto now = TRY(read_owner(link_));
    if (!now) return now;
    if (now->beat != owner.beat) return fail(ErrorCode::locked, std::string(at_work));
  }
  return std::optional(std::move(owner));
}

Result<void> RestoreMarker::load_marks() {
  const auto reading = [&](mongo::Connection& connection) -> Result<void> {
    marks_.clear();
    mongo::FindRequest request;
    request.db = notes_database;
    request.collection = collection_name;
    auto cursor = TRY(mongo::Cursor::open(connection, request));
    while (true) {
      const auto next = TRY(cursor.next());
      if (!next) return {};
      const auto document = Document::trusted(*next);
      const std::string id = text_of(document, "_id");
      if (!id.empty() && id != restore_id) marks_.insert_or_assign(id, read_mark(document));
    }
  };
  return link_.read(reading);
}

const CollectionMark* RestoreMarker::find(const std::string& target_ns) const {
  const auto found = marks_.find(target_ns);
  return found == marks_.end() ? nullptr : &found->second;
}

Result<void> RestoreMarker::upsert(const std::string& id, Document document) {
  bson::Builder command;
  command.append_text("update", collection_name);
  append_majority(command);
  command.begin_array("updates");
  command.begin_document("0");
  command.begin_document("q");
  command.append_text("_id", id);
  command.end();
  command.append_document("u", document);
  command.append_bool("upsert", true);
  command.end();
  command.end();
  const auto outcome = TRY(link_.write(std::string(notes_database), command.finish(), doing));
  if (outcome.failures.empty()) return {};
  return fail(ErrorCode::server_failed,
              fmt::format("{}: {}", doing, outcome.failures.front().message));
}

std::string RestoreMarker::beat_text(std::uint64_t number) const {
  return fmt::format("{}/{}", process_, number);
}

// Without waiting for the majority: a slow secondary must not make us look dead.
Result<bool> RestoreMarker::replace_owner(PrimaryLink& link, const std::string& before,
                                          const std::string& beat, Upsert upsert) const {
  bson::Builder command;
  command.append_text("update", collection_name);
  command.begin_array("updates");
  command.begin_document("0");
  command.begin_document("q");
  command.append_text("_id", restore_id);
  if (!before.empty()) command.append_text("beat", before);
  command.end();
  command.begin_document("u");
  command.append_text("_id", restore_id);
  command.append_text("identity", identity_);
  command.append_text("beat", beat);
  command.end();
  command.append_bool("upsert", upsert == Upsert::yes);
  command.end();
  command.end();
  const auto outcome = TRY(link.write(std::string(notes_database), command.finish(), doing));
  const bool is_refused = !outcome.failures.empty();
  if (is_refused && !outcome.failures.front().is_duplicate_key())
    return fail(ErrorCode::server_failed,
                fmt::format("{}: {}", doing, outcome.failures.front().message));
  if (!is_refused && outcome.count > 0) return true;
  // Sent twice, the second one finds what the first one wrote.
  const auto now = TRY(read_owner(link));
  return now && now->beat == beat;
}

Result<void> RestoreMarker::claim() {
  const std::string first = beat_text(0);
  const bool is_ours = TRY(replace_owner(link_, is_begun_ ? seen_beat_ : first, first,
                                         is_begun_ ? Upsert::no : Upsert::yes));
  if (!is_ours) return fail(ErrorCode::locked, std::string(at_work));
  is_begun_ = true;
  beating_.start([this](const std::stop_token& stop) -> Result<void> {
    beat(stop);
    return {};
  });
  return {};
}

// What goes wrong with the server, the run itself meets and tells.
void RestoreMarker::beat(const std::stop_token& stop) {
  constexpr auto step = std::chrono::milliseconds(50);
  Context context{context_.clock, context_.rng, context_.log, stop};
  PrimaryLink link(target_, context);
  std::string last = beat_text(0);
  for (std::uint64_t number = 1; !is_lost_; ++number) {
    const Duration due = context.clock.monotonic() + beat_pause;
    while (context.clock.monotonic() < due) {
      if (stop.stop_requested()) return;
      context.clock.sleep_for(step);
    }
    std::string next = beat_text(number);
    const auto is_ours = replace_owner(link, last, next, Upsert::no);
    if (!is_ours.has_value()) continue;
    if (!*is_ours) is_lost_ = true;
    last = std::move(next);
  }
}

void RestoreMarker::stop_beating() {
  beating_.request_stop();
  // It has no error of its own.
  static_cast<void>(beating_.wait());
}

Result<void> RestoreMarker::save(const std::string& target_ns, const CollectionMark& mark) {
  if (is_lost_) return fail(ErrorCode::locked, taken_over());
  bson::Builder document;
  document.append_text("_id", target_ns);
  document.append_text("state", text_of(mark.state));
  if (!mark.confirmed_key.empty()) document.append_binary("key", 0, mark.confirmed_key);
  TRY(upsert(target_ns, document.finish()));
  marks_.insert_or_assign(target_ns, mark);
  return {};
}

// A document that is there already may be of the process that has taken over.
Error RestoreMarker::explain(Error error) {
  const bool may_be_taken_over =
      error.code != ErrorCode::interrupted && error.code != ErrorCode::server_unreachable;
  if (!is_begun_ || !may_be_taken_over) return error;
  const auto now = read_owner(link_);
  const bool is_ours = !now.has_value() || (now->has_value() && (*now)->beat.starts_with(process_));
  if (is_ours) return error;
  // What we wrote after the other one had removed its notes.
  if (!now->has_value()) static_cast<void>(remove());
  error.code = ErrorCode::locked;
  error.message = taken_over();
  return error;
}

Result<void> RestoreMarker::remove() {
  stop_beating();
  bson::Builder command;
  command.append_int32("dropDatabase", 1);
  auto reply = TRY(link_.run(std::string(notes_database), command.finish()));
  if (!reply.is_ok) return fail(mongo::error_of(reply, "removing the notes of the restore"));
  is_begun_ = false;
  marks_.clear();
  return {};
}

}  // namespace holdfast::recover
