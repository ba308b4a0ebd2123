// Events of a change stream, one after the other: what is accepted gives entries that the engine
// can read, in order of time, the same each time, and updates that its updater accepts.
#include "base/check.hpp"
#include "oplog/change_event.hpp"
#include "oplog/segment.hpp"
#include "oplog/update.hpp"

using namespace holdfast;
using namespace holdfast::oplog;

namespace {

// The documents of concatenated BSON, as long as their lengths make sense.
std::optional<ByteView> take_document(ByteView& rest) {
  if (rest.size() < 5) return std::nullopt;
  const auto length = load_le<std::uint32_t>(rest.data());
  if (length < 5 || length > rest.size()) return std::nullopt;
  const ByteView document = rest.first(length);
  rest = rest.subspan(length);
  return document;
}

void check_update(bson::Document event) {
  const auto description = event.find("updateDescription");
  if (!description || description->type != bson::Type::document) return;
  const auto update = update_of(description->as_document());
  if (!update.has_value() || update->empty()) return;
  const auto valid = bson::Document::validate(*update);
  if (!valid.has_value()) {  // nested deeper than a document may be
    CHECK(valid.error().code == ErrorCode::limit_exceeded);
    return;
  }
  UpdateCheck check;
  const auto kind = check.check(*valid);
  if (kind.has_value()) CHECK(*kind == UpdateKind::delta);
}

std::vector<Bytes> entries_of(ByteView input) {
  ChangeEvents changes;
  std::vector<Bytes> entries;
  while (const auto bytes = take_document(input)) {
    const auto event = bson::Document::validate(*bytes);
    if (!event.has_value()) continue;
    check_update(*event);
    auto entry = changes.add(*event);
    if (!entry.has_value()) return entries;
    if (*entry) entries.push_back(std::move(**entry));
    const auto token = event->find("_id");
    if (!token || token->type != bson::Type::document) continue;
    const auto position = time_of_token(token->as_document());
    if (!position) continue;
    if (auto complete = changes.advance_to(*position)) entries.push_back(std::move(*complete));
  }
  if (auto last = changes.finish()) entries.push_back(std::move(*last));
  return entries;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  const auto entries = entries_of(input);
  CHECK(entries == entries_of(input));
  SegmentScan scan;
  for (const Bytes& entry : entries) {
    const auto added = scan.add(entry);
    CHECK(added.has_value() || added.error().code == ErrorCode::limit_exceeded);
    if (!added.has_value()) return 0;
  }
  return 0;
}
