#include "verify/pack_table.hpp"

#include <algorithm>

#include "repo/layout.hpp"

namespace holdfast::verify {

Result<PackTable> PackTable::make(store::Store& store) {
  PackTable table;
  const auto keep = [&](const repo::PackId& id, const store::ObjectInfo& object) -> Result<void> {
    table.packs_.push_back({id, object.bytes});
    return {};
  };
  TRY(repo::list_ids<repo::PackId>(store, repo::packs_prefix, keep));
  std::ranges::sort(table.packs_, {}, &PackFile::id);
  table.flags_ = std::make_unique<std::atomic<std::uint8_t>[]>(table.packs_.size());
  return table;
}

std::optional<std::size_t> PackTable::find(const repo::PackId& id) const {
  const auto at = std::ranges::lower_bound(packs_, id, {}, &PackFile::id);
  if (at == packs_.end() || at->id != id) return std::nullopt;
  return static_cast<std::size_t>(at - packs_.begin());
}

bool is_in_share(const repo::PackId& id, std::uint32_t share, std::uint32_t share_count) {
  return load_be64(id.bytes.data()) % share_count == share - 1;
}

}  // namespace holdfast::verify
