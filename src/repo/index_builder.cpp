#include "repo/index_builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <queue>

namespace holdfast::repo {
namespace {

constexpr std::uint64_t rows_dropped_at_once = 16384;

// Where a merge stands in one of its runs.
struct Cursor {
  const IndexRun* run = nullptr;
  std::uint64_t next = 0;
  IndexRow row;

  bool advance() {
    if (next >= run->size()) return false;
    row = run->row(next++);
    if (next % rows_dropped_at_once == 0) drop(next - rows_dropped_at_once);
    return true;
  }
  // What was merged is not needed in memory any more.
  void drop(std::uint64_t first) const {
    run->drop_records(first, next - first);
    run->drop_suffixes(first, next - first);
  }
};
struct LaterFirst {
  bool operator()(const Cursor& left, const Cursor& right) const { return right.row < left.row; }
};

Result<void> merge_all(std::span<const IndexRun> runs, const IndexRowSorter::Visit& visit) {
  std::priority_queue<Cursor, std::vector<Cursor>, LaterFirst> queue;
  for (const auto& run : runs) {
    Cursor cursor{&run, 0, {}};
    if (cursor.advance()) queue.push(cursor);
  }
  std::optional<IndexRow> last;
  while (!queue.empty()) {
    Cursor cursor = queue.top();
    queue.pop();
    if (!last || !last->is_same_place(cursor.row)) TRY(visit(cursor.row));
    last = cursor.row;
    if (cursor.advance()) queue.push(cursor);
  }
  return {};
}

template <class T>
std::span<const T> array_at(const Mapping& mapping, std::uint64_t offset, std::uint64_t count) {
  return {reinterpret_cast<const T*>(mapping.view().data() + offset), count};
}

Result<MappedRun> map_run(Fd file, std::uint64_t suffixes_offset, std::uint64_t count) {
  MappedRun result;
  if (count == 0) return result;
  result.mapping = TRY(Mapping::make(file, suffixes_offset + count * sizeof(IdSuffix)));
  result.run =
      IndexRun(array_at<IndexRecord>(result.mapping, 0, count),
               array_at<IdSuffix>(result.mapping, suffixes_offset, count), file, suffixes_offset);
  result.file = std::move(file);
  return result;
}

}  // namespace

Result<MappedRun> make_run(const std::filesystem::path& scratch, std::span<const IndexRow> sorted) {
  auto file = TRY(make_unnamed_file(scratch));
  const auto suffixes_offset = sorted.size() * sizeof(IndexRecord);
  RowWriter rows(file, 0, suffixes_offset);
  for (const auto& row : sorted) TRY(rows.add(row));
  TRY(rows.flush());
  return map_run(std::move(file), suffixes_offset, rows.count());
}

Result<MappedRun> merge_runs(const std::filesystem::path& scratch, std::span<const IndexRun> runs) {
  std::uint64_t rows_max = 0;
  for (const auto& run : runs) rows_max += run.size();
  auto file = TRY(make_unnamed_file(scratch));
  const auto suffixes_offset = rows_max * sizeof(IndexRecord);
  RowWriter rows(file, 0, suffixes_offset);
  TRY(merge_all(runs, [&](const IndexRow& row) { return rows.add(row); }));
  TRY(rows.flush());
  return map_run(std::move(file), suffixes_offset, rows.count());
}

Result<void> IndexRowSorter::add(const IndexRow& row) {
  buffer_.push_back(row);
  ++row_count_;
  if (buffer_.size() < index_rows_buffered_max) return {};
  return spill();
}

Result<void> IndexRowSorter::spill() {
  std::sort(buffer_.begin(), buffer_.end());
  auto run = TRY(make_run(scratch_, buffer_));
  spilled_.push_back(std::move(run));
  buffer_.clear();
  return {};
}

Result<void> IndexRowSorter::merge(std::span<const IndexRun> more, const Visit& visit) {
  TRY(spill());
  std::vector<IndexRun> runs(more.begin(), more.end());
  for (const auto& spilled : spilled_) runs.push_back(spilled.run);
  TRY(merge_all(runs, visit));
  spilled_.clear();
  row_count_ = 0;
  return {};
}

IndexBuilder::IndexBuilder(std::filesystem::path scratch, const LoadedIndex* before)
    : sorter_(std::move(scratch)), before_(before) {
  if (before_ == nullptr) return;
  tables_.packs.assign(before_->packs.begin(), before_->packs.end());
  tables_.states.assign(before_->states.begin(), before_->states.end());
  for (std::uint32_t number = 0; number < tables_.packs.size(); ++number)
    numbers_.emplace(tables_.packs[number], number);
}

Result<std::uint32_t> IndexBuilder::number_of(const PackId& id, PackState state) {
  const auto next = static_cast<std::uint32_t>(tables_.packs.size());
  const auto [found, is_new] = numbers_.try_emplace(id, next);
  if (is_new) {
    if (next >= index_packs_max)
      return fail(ErrorCode::limit_exceeded, "more than 2^31 packs in the index");
    tables_.packs.push_back(id);
    tables_.states.push_back(state);
  } else if (state == PackState::live) {
    tables_.states[found->second] = PackState::live;
  }
  return found->second;
}

Result<void> IndexBuilder::add(const IndexedPack& pack) {
  const auto number = TRY(number_of(pack.id, pack.state));
  for (const auto& blob : pack.blobs) {
    if (blob.length < seal_overhead_bytes)
      return fail(ErrorCode::malformed, fmt::format("blob {} of pack {} is shorter than a seal",
                                                    blob.id.short_hex(), pack.id.short_hex()));
    TRY(sorter_.add(
        IndexRow::make({blob.handle(), number, blob.offset, blob.length, blob.plain_length})));
  }
  return {};
}

Result<void> IndexBuilder::finish(const Fd& file, const RepositoryId& repository,
                                  std::vector<IndexId> index_files) {
  std::vector<IndexRun> before;
  if (before_ != nullptr) before.push_back(before_->run);
  const auto rows_max = sorter_.row_count() + (before_ != nullptr ? before_->run.size() : 0);
  IndexImageWriter image(file, repository, rows_max);
  TRY(sorter_.merge(before, [&](const IndexRow& row) { return image.add(row); }));
  tables_.index_files = std::move(index_files);
  std::sort(tables_.index_files.begin(), tables_.index_files.end());
  TRY(image.finish(tables_));
  return {};
}

}  // namespace holdfast::repo
