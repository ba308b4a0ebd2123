// Oplog entries, one after the other: what parses keeps its bytes and its time, the pieces of an
// applyOps parse or fail but do not crash, and a segment scan agrees with the parser.
#include "base/check.hpp"
#include "oplog/segment.hpp"

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

void check_pieces(const Entry& entry, const EntryRules& rules) {
  const auto list = entry.o.find("applyOps");
  if (!list || list->type != bson::Type::array) return;
  for (const auto& element : list->as_document()) {
    if (element.value.type != bson::Type::document) continue;
    const auto piece = Entry::parse_inner(element.value.as_document(), entry, rules);
    if (piece.has_value()) CHECK(piece->optime() == entry.optime());
  }
}

void check_entry(ByteView bytes) {
  const EntryRules rules;
  const auto entry = Entry::parse(bytes, rules);
  const auto time = optime_of(bytes);
  if (!entry.has_value()) {
    CHECK(!entry.error().message.empty());
    return;
  }
  CHECK(entry->raw.bytes().data() == bytes.data() && entry->raw.bytes().size() == bytes.size());
  CHECK(time.has_value() && time->ts == entry->ts);
  CHECK(refuse(*entry, "fuzz").value().code == ErrorCode::unsupported);
  static_cast<void>(entry->command());
  check_pieces(*entry, rules);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  ByteView rest(bytes, size);
  SegmentScan scan;
  std::uint64_t count = 0;
  while (const auto document = take_document(rest)) {
    check_entry(*document);
    const auto time = scan.add(*document);
    if (!time.has_value()) return 0;
    ++count;
    CHECK(scan.entry_count() == count);
  }
  if (count == 0) return 0;
  const SegmentFacts facts = scan.finish();
  CHECK(facts.entry_count == count);
  CHECK(facts.byte_count == size - rest.size());
  CHECK(facts.first <= facts.last);
  return 0;
}
