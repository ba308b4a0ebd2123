#pragma once
// Makes a sorted index out of unsorted index files in bounded memory: rows collect in a buffer,
// full buffers become sorted temporary files, and all of them are merged with the index of before.
//
// The same pack in several index files gives each blob once. A pack that one file lists as live
// and another as marked is live: somebody brought it back (docs/repository_format.md A14).
#include <functional>
#include <unordered_map>

#include "repo/index_image.hpp"

namespace holdfast::repo {

// Rows (48 bytes each) sorted in memory before they go to a temporary file.
constexpr std::size_t index_rows_buffered_max = std::size_t{1} << 17;

// Sorts and merges; `scratch` is where temporary files go. One thread.
class IndexRowSorter {
 public:
  explicit IndexRowSorter(std::filesystem::path scratch) : scratch_(std::move(scratch)) {}

  Result<void> add(const IndexRow& row);
  std::uint64_t row_count() const { return row_count_; }

  // Visits all rows and those of `more` in order, equal places once. The sorter is empty then.
  using Visit = std::function<Result<void>(const IndexRow&)>;
  Result<void> merge(std::span<const IndexRun> more, const Visit& visit);

 private:
  Result<void> spill();

  std::filesystem::path scratch_;
  std::vector<IndexRow> buffer_;
  std::vector<MappedRun> spilled_;
  std::uint64_t row_count_ = 0;
};

// Writes rows as records and suffixes to a file without a name and maps it.
Result<MappedRun> make_run(const std::filesystem::path& scratch, std::span<const IndexRow> sorted);
// The rows of several runs as one.
Result<MappedRun> merge_runs(const std::filesystem::path& scratch, std::span<const IndexRun> runs);

// One thread. `before`, when given, must outlive the builder: its packs keep their numbers.
class IndexBuilder {
 public:
  IndexBuilder(std::filesystem::path scratch, const LoadedIndex* before);

  Result<void> add(const IndexedPack& pack);
  // Writes the image to `file`.
  Result<void> finish(const Fd& file, const RepositoryId& repository,
                      std::vector<IndexId> index_files);

 private:
  Result<std::uint32_t> number_of(const PackId& id, PackState state);

  IndexRowSorter sorter_;
  const LoadedIndex* before_;
  IndexTables tables_;
  std::unordered_map<PackId, std::uint32_t> numbers_;
};

}  // namespace holdfast::repo
