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

Result<void> RestoreMarker::load() {
  auto* connection = TRY(link_.connection());
  mongo::FindRequest request;
  request.db = notes_database;
  request.collection = collection_name;
  auto cursor = TRY(mongo::Cursor::open(*connection, request));
  while (true) {
    const auto next = TRY(cursor.next());
    if (!next) return {};
    const auto document = Document::trusted(*next);
    const auto id = document.find("_id");
    if (!id || id->type != bson::Type::string) continue;
    if (id->as_text() != restore_id) {
      marks_.insert_or_assign(std::string(id->as_text()), read_mark(document));
      continue;
    }
    const auto identity = document.find("identity");
    is_begun_ = true;
    const bool is_text = identity && identity->type == bson::Type::string;
    if (!is_text || identity->as_text() != identity_)
      return fail(ErrorCode::refused,
                  fmt::format("another restore is unfinished on the target: {}. Finish it with the "
                              "same command, or drop the database {} there to forget it",
                              is_text ? identity->as_text() : "unknown", notes_database));
  }
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

Result<void> RestoreMarker::begin() {
  bson::Builder document;
  document.append_text("_id", restore_id);
  document.append_text("identity", identity_);
  TRY(upsert(std::string(restore_id), document.finish()));
  is_begun_ = true;
  return {};
}

Result<void> RestoreMarker::save(const std::string& target_ns, const CollectionMark& mark) {
  bson::Builder document;
  document.append_text("_id", target_ns);
  document.append_text("state", text_of(mark.state));
  if (!mark.confirmed_key.empty()) document.append_binary("key", 0, mark.confirmed_key);
  TRY(upsert(target_ns, document.finish()));
  marks_.insert_or_assign(target_ns, mark);
  return {};
}

Result<void> RestoreMarker::remove() {
  bson::Builder command;
  command.append_int32("dropDatabase", 1);
  auto reply = TRY(link_.run(std::string(notes_database), command.finish()));
  if (!reply.is_ok) return fail(mongo::error_of(reply, "removing the notes of the restore"));
  is_begun_ = false;
  marks_.clear();
  return {};
}

}  // namespace holdfast::recover
