#include "repo/index.hpp"

#include <algorithm>

#include "repo/index_builder.hpp"

namespace holdfast::repo {
namespace {

// After so many rows the memory that at() filled is given back: 1.5 MiB when it is called in order.
constexpr std::uint64_t rows_read_max = 65536;

}  // namespace

Index::Index(LoadedIndex loaded, std::filesystem::path scratch)
    : loaded_(std::move(loaded)),
      scratch_(std::move(scratch)),
      added_runs_(std::make_shared<const Runs>()) {}
Index::~Index() = default;

std::uint32_t Index::loaded_pack_count() const {
  return static_cast<std::uint32_t>(loaded_.packs.size());
}

std::uint32_t Index::pack_count() const {
  MutexLock lock(mutex_);
  return loaded_pack_count() + static_cast<std::uint32_t>(added_packs_.size());
}

PackEntry Index::pack(std::uint32_t number) const {
  if (number < loaded_.packs.size()) return {loaded_.packs[number], loaded_.states[number]};
  MutexLock lock(mutex_);
  const auto added = number - loaded_.packs.size();
  return added < added_packs_.size() ? PackEntry{added_packs_[added]} : PackEntry{};
}

bool Index::is_live(const IndexedBlob& blob) const {
  return blob.pack >= loaded_.packs.size() || loaded_.states[blob.pack] == PackState::live;
}

std::shared_ptr<const Index::Runs> Index::added_runs() const {
  MutexLock lock(mutex_);
  return added_runs_;
}

IndexedBlob Index::at(std::uint64_t position) const {
  const auto blob = loaded_.run.row(position).blob();
  if (rows_read_.fetch_add(1, std::memory_order_relaxed) % rows_read_max == rows_read_max - 1)
    loaded_.run.drop_suffixes(0, loaded_.run.size());
  return blob;
}

std::optional<Index::LiveBlob> Index::find_live(const BlobHandle& handle) const {
  const auto range = loaded_.run.find(handle);
  for (auto at = range.first; at < range.first + range.count; ++at) {
    const auto blob = loaded_.run.found(at, handle);
    if (is_live(blob)) return LiveBlob{blob, at};
  }
  std::shared_ptr<const Runs> runs;
  {
    MutexLock lock(mutex_);
    const auto found = delta_.find(handle);
    if (found != delta_.end()) return LiveBlob{found->second, std::nullopt};
    runs = added_runs_;
  }
  for (const auto& added : *runs) {
    const auto found = added->run.find(handle);
    if (found.count != 0) return LiveBlob{added->run.found(found.first, handle), std::nullopt};
  }
  return std::nullopt;
}

std::vector<IndexedBlob> Index::find_all(const BlobHandle& handle) const {
  std::vector<IndexedBlob> copies;
  const auto collect = [&](const IndexRun& run) {
    const auto range = run.find(handle);
    for (auto at = range.first; at < range.first + range.count; ++at)
      copies.push_back(run.found(at, handle));
  };
  collect(loaded_.run);
  const auto runs = added_runs();
  for (const auto& added : *runs) collect(added->run);
  {
    MutexLock lock(mutex_);
    const auto found = delta_.find(handle);
    if (found != delta_.end()) copies.push_back(found->second);
  }
  std::stable_partition(copies.begin(), copies.end(),
                        [this](const IndexedBlob& blob) { return is_live(blob); });
  return copies;
}

Result<void> Index::add_pack(const PackId& id, const std::vector<PackedBlob>& blobs) {
  MutexLock lock(mutex_);
  const auto number = loaded_.packs.size() + added_packs_.size();
  if (number >= index_packs_max)
    return fail(ErrorCode::limit_exceeded, "more than 2^31 packs in the index");
  added_packs_.push_back(id);
  for (const auto& blob : blobs)
    delta_.emplace(blob.handle(), IndexedBlob{blob.handle(), static_cast<std::uint32_t>(number),
                                              blob.offset, blob.length, blob.plain_length});
  if (delta_.size() < index_delta_blobs_max) return {};
  return flush_delta();
}

// The delta becomes a run; runs of like size are merged, so that a blob is merged log(n) times.
Result<void> Index::flush_delta() {
  std::vector<IndexRow> rows;
  rows.reserve(delta_.size());
  for (const auto& [handle, blob] : delta_) rows.push_back(IndexRow::make(blob));
  std::sort(rows.begin(), rows.end());
  auto newest = TRY(make_run(scratch_, rows));

  auto runs = std::make_shared<Runs>(*added_runs_);
  while (!runs->empty() && runs->back()->run.size() <= 2 * newest.run.size()) {
    const std::array<IndexRun, 2> pair{runs->back()->run, newest.run};
    newest = TRY(merge_runs(scratch_, pair));
    runs->pop_back();
  }
  runs->push_back(std::make_shared<const MappedRun>(std::move(newest)));
  added_runs_ = std::move(runs);
  delta_.clear();
  return {};
}

Result<void> Index::visit_added(
    const std::function<Result<void>(const IndexedBlob&)>& visit) const {
  std::vector<IndexedBlob> recent;
  {
    MutexLock lock(mutex_);
    for (const auto& [handle, blob] : delta_) recent.push_back(blob);
  }
  for (const auto& blob : recent) TRY(visit(blob));
  const auto runs = added_runs();
  for (const auto& added : *runs)
    for (std::uint64_t at = 0; at < added->run.size(); ++at) TRY(visit(added->run.row(at).blob()));
  return {};
}

}  // namespace holdfast::repo
