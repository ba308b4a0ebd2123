// The scan for mass changes over foreign entries: whatever they are, each finding lies within the
// stream, its numbers agree with each other, and the same input gives the same findings.
#include "base/check.hpp"
#include "oplog/mass_change.hpp"

using namespace holdfast;
using namespace holdfast::oplog;

namespace {

std::optional<ByteView> take_document(ByteView& rest) {
  if (rest.size() < 5) return std::nullopt;
  const auto length = load_le<std::uint32_t>(rest.data());
  if (length < 5 || length > rest.size()) return std::nullopt;
  const ByteView document = rest.first(length);
  rest = rest.subspan(length);
  return document;
}

MassChangeReport scan(ByteView rest, std::uint64_t count_min) {
  MemorySpill spill;
  MassChangeOptions options;
  options.count_min = count_min;
  MassChangeScan changes(spill, options);
  while (const auto document = take_document(rest)) {
    if (!bson::Document::validate(*document).has_value()) break;
    if (!changes.accept(*document).has_value()) break;
  }
  return changes.finish();
}

void check_finding(const MassChange& change, const MassChangeReport& report) {
  CHECK(!name_of(change.kind).empty());
  CHECK(!name_of(change.statement).empty());
  CHECK(change.pass_count >= 1);
  CHECK(change.session_count <= sessions_max);
  if (change.statement == Statement::command) return;
  CHECK(change.count >= 1);
  CHECK(change.count <= report.change_count);
  for (const Bytes* id : {&change.first_id, &change.last_id, &change.lowest_id, &change.highest_id})
    CHECK(bson::Document::validate(*id).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const ByteView entries(bytes + 1, size - 1);
  const std::uint64_t count_min = 1 + bytes[0] % 8;
  const auto report = scan(entries, count_min);
  CHECK(report.changes.size() <= mass_changes_max);
  for (const MassChange& change : report.changes) check_finding(change, report);
  const auto again = scan(entries, count_min);
  CHECK(again.changes.size() == report.changes.size());
  CHECK(again.change_count == report.change_count);
  return 0;
}
