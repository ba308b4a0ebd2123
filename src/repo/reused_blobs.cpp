#include "repo/reused_blobs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "repo/layout.hpp"

namespace holdfast::repo {
namespace {

constexpr std::uint64_t bits_per_word = 64;
// Packs listed again in one index file: what they hold is collected in memory.
constexpr std::size_t revived_packs_per_file = 64;

}  // namespace

ReusedBlobs::ReusedBlobs(const Repository& repository)
    : repository_(repository), bits_(repository.index().loaded_count() / bits_per_word + 1) {}

void ReusedBlobs::mark(std::uint64_t position) {
  const auto bit = std::uint64_t{1} << (position % bits_per_word);
  auto& word = bits_[position / bits_per_word];
  // Hot blobs are marked again and again: a read does not make other cores' copies invalid.
  if ((word.load(std::memory_order_relaxed) & bit) == 0)
    word.fetch_or(bit, std::memory_order_relaxed);
}

// While all index files are there that this run has seen or written, all their packs are live.
Result<bool> ReusedBlobs::index_files_vanished(const std::vector<IndexId>& own_files) const {
  auto& store = repository_.store();
  auto present = TRY(list_ids<IndexId>(store, indexes_prefix));
  std::sort(present.begin(), present.end());
  const auto loaded_files = repository_.index().index_files();
  std::vector<IndexId> wanted(loaded_files.begin(), loaded_files.end());
  wanted.insert(wanted.end(), own_files.begin(), own_files.end());
  for (const auto& id : wanted) {
    if (std::binary_search(present.begin(), present.end(), id)) continue;
    const auto found = store.stat(object_name(id));  // listings may lag behind
    if (found.has_value()) continue;
    if (found.error().code == ErrorCode::not_found) return true;
    return fail(found.error());
  }
  return false;
}

Result<ReusedBlobs::PackNumbers> ReusedBlobs::packs_to_revive(const Index& now) const {
  const auto& index = repository_.index();
  PackNumbers needed(index.pack_count());
  const auto check = [&](const IndexedBlob& blob) -> Result<void> {
    if (blob.pack < needed.size() && !now.contains(blob.handle)) needed[blob.pack] = true;
    return {};
  };
  for (std::uint64_t position = 0; position < index.loaded_count(); ++position) {
    const auto word = bits_[position / bits_per_word].load(std::memory_order_relaxed);
    if ((word >> (position % bits_per_word) & 1) == 0) continue;
    TRY(check(index.at(position)));
  }
  TRY(index.visit_added(check));
  return needed;
}

Result<void> ReusedBlobs::check_exist(const PackNumbers& needed) const {
  for (std::uint32_t number = 0; number < needed.size(); ++number) {
    if (!needed[number]) continue;
    const auto id = repository_.index().pack(number).id;
    const auto found = repository_.store().stat(object_name(id));
    if (found.has_value()) continue;
    if (found.error().code != ErrorCode::not_found) return fail(found.error());
    return fail(
        ErrorCode::conflict,
        fmt::format("pack {}, which this run relies on, was removed meanwhile", id.short_hex()));
  }
  return {};
}

Result<void> ReusedBlobs::list_again(const std::vector<std::uint32_t>& numbers) const {
  const auto& index = repository_.index();
  std::map<std::uint32_t, IndexedPack> packs;
  for (const auto number : numbers) packs[number].id = index.pack(number).id;
  const auto collect = [&](const IndexedBlob& blob) -> Result<void> {
    const auto found = packs.find(blob.pack);
    if (found == packs.end()) return {};
    found->second.blobs.push_back(
        {blob.handle.id, blob.handle.type, blob.offset, blob.length, blob.plain_length});
    return {};
  };
  for (std::uint64_t position = 0; position < index.loaded_count(); ++position)
    TRY(collect(index.at(position)));
  TRY(index.visit_added(collect));

  IndexEncoder encoder;
  for (auto& [number, pack] : packs) {
    std::sort(
        pack.blobs.begin(), pack.blobs.end(),
        [](const PackedBlob& left, const PackedBlob& right) { return left.offset < right.offset; });
    encoder.add(pack);
  }
  TRY(repository_.save_index(encoder.finish(), store::Durability::immediate));
  return {};
}

Result<void> ReusedBlobs::list_again(const PackNumbers& needed) const {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t number = 0; number < needed.size(); ++number) {
    if (needed[number]) numbers.push_back(number);
    const bool is_last = number + 1 == needed.size();
    if (numbers.empty() || (!is_last && numbers.size() < revived_packs_per_file)) continue;
    TRY(list_again(numbers));
    numbers.clear();
  }
  return {};
}

Result<void> ReusedBlobs::secure(const std::vector<IndexId>& own_files) const {
  const bool vanished = TRY(index_files_vanished(own_files));
  if (!vanished) return {};
  auto loaded = TRY(repository_.read_index(DamagedIndexFiles::fail));
  const Index now(std::move(loaded.index), {});
  const auto needed = TRY(packs_to_revive(now));
  const auto count = std::count(needed.begin(), needed.end(), true);
  if (count == 0) return {};
  repository_.context().log.note(
      fmt::format("a prune ran meanwhile: {} packs are brought back", count));
  TRY(check_exist(needed));
  return list_again(needed);
}

}  // namespace holdfast::repo
