// Index files: what decodes is encoded and decoded again to the same packs.
#include "base/check.hpp"
#include "repo/index_file.hpp"

using namespace holdfast;
using namespace holdfast::repo;

namespace {

Result<std::vector<IndexedPack>> decode(ByteView json) {
  std::vector<IndexedPack> packs;
  TRY(decode_index(json, [&](const IndexedPack& pack) -> Result<void> {
    packs.push_back(pack);
    static_cast<void>(coverage_flaw(pack));
    return {};
  }));
  return packs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto packs = decode({bytes, size});
  if (!packs.has_value()) return 0;
  // Live packs are written before the marked ones, whatever order they came in.
  std::stable_partition(packs->begin(), packs->end(),
                        [](const IndexedPack& pack) { return pack.state == PackState::live; });
  IndexEncoder encoder;
  for (const auto& pack : *packs) encoder.add(pack);
  const Bytes json = encoder.finish();
  const auto again = decode(json);
  CHECK(again.has_value() && *again == *packs);
  for (const auto& pack : *again) encoder.add(pack);
  CHECK(encoder.finish() == json);
  return 0;
}
