// The cached index with rows of any content, sorted or not: lookups stay inside of the tables, and
// a pack number that does not exist gives the null id. Input: rows of 24 + 24 bytes.
#include "base/check.hpp"
#include "repo/index.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

constexpr std::size_t row_bytes = sizeof(IndexRecord) + sizeof(IdSuffix);

struct Rows {
  std::vector<IndexRecord> records;
  std::vector<IdSuffix> suffixes;
};

Rows rows_of(ByteView input) {
  Rows rows;
  for (; input.size() >= row_bytes; input = input.subspan(row_bytes)) {
    std::memcpy(&rows.records.emplace_back(), input.data(), sizeof(IndexRecord));
    std::memcpy(rows.suffixes.emplace_back().data(), input.data() + sizeof(IndexRecord),
                sizeof(IdSuffix));
  }
  return rows;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const Rows rows = rows_of({bytes, size});
  const std::vector<PackId> packs(3);
  const std::vector<PackState> states = {PackState::live, PackState::marked, PackState::live};
  LoadedIndex loaded{{}, {}, IndexRun(rows.records, rows.suffixes), packs, states, {}};
  const Index index(std::move(loaded), std::filesystem::temp_directory_path());
  CHECK(index.loaded_count() == rows.records.size());
  for (std::uint64_t position = 0; position < index.loaded_count(); ++position) {
    const IndexedBlob blob = index.at(position);
    if (blob.pack >= packs.size()) CHECK(index.pack(blob.pack).id.is_null());
    const auto live = index.find_live(blob.handle);
    CHECK(index.contains(blob.handle) == live.has_value());
    if (live) CHECK(live->blob.handle == blob.handle);
    for (const auto& copy : index.find_all(blob.handle)) CHECK(copy.handle == blob.handle);
    const auto range = index.positions_of(blob.handle);
    CHECK(range.first + range.count <= index.loaded_count());
    static_cast<void>(blob.plain_bytes());
  }
  return 0;
}
