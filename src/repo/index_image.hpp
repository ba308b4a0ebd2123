#pragma once
// The file form of a loaded index: the cache file, or a temporary file without a name.
//
//   header (144 bytes) | records 24 each | suffixes 24 each | packs 32 each | states 1 each
//   | index file ids 32 each
//
// The header carries the length of the file and XXH3 checksums of itself, of the tables at the end
// and of the rows. Those of the rows are compared at opening up to index_checked_bytes_max: above
// it, opening would take as long as reading the whole index. Damage there can not lead outside of
// the tables, and every blob read is authenticated.
#include "repo/config_file.hpp"
#include "repo/index_run.hpp"

namespace holdfast::repo {

// Rows of 1.4 million blobs: about 10 ms.
constexpr std::uint64_t index_checked_bytes_max = std::uint64_t{64} << 20;

// A loaded index. Move-only; the spans look at the mapping.
struct LoadedIndex {
  Fd file;
  Mapping mapping;
  IndexRun run;
  std::span<const PackId> packs;         // by number
  std::span<const PackState> states;     // by number
  std::span<const IndexId> index_files;  // sorted: what it was made from
};

struct IndexTables {
  std::vector<PackId> packs;
  std::vector<PackState> states;
  std::vector<IndexId> index_files;  // sorted
};

// Writes an image front to back: rows in order, then the tables. One thread.
class IndexImageWriter {
 public:
  // At most `rows_max` rows will be added.
  IndexImageWriter(const Fd& file, const RepositoryId& repository, std::uint64_t rows_max);

  Result<void> add(const IndexRow& row) { return rows_.add(row); }
  // Writes the tables and then the header.
  Result<void> finish(const IndexTables& tables);

 private:
  const Fd& file_;
  const RepositoryId repository_;
  const std::uint64_t suffixes_offset_;
  RowWriter rows_;
};

// Maps an image. Errors: corrupt (cut short, damaged header or tables, another repository's, or a
// later version's).
Result<LoadedIndex> map_index_image(Fd file, const RepositoryId& repository);

}  // namespace holdfast::repo
