#pragma once
// Keeps the loaded index of a repository on this machine, so that opening reads only the index
// files that are new. The cache is valid for the set of index files it was made from; it never
// decides what exists, and losing it costs time only.
#include "base/context.hpp"
#include "repo/index_image.hpp"

namespace holdfast::repo {

// How to get the JSON of one index file.
using LoadIndexFile = std::function<Result<Bytes>(const IndexId&)>;

enum class DamagedIndexFiles : std::uint8_t { fail, skip };

// One thread at a time; several processes may share the directory.
class IndexCache {
 public:
  // `directory` is where caches of repositories are; without it nothing is kept.
  IndexCache(std::optional<std::filesystem::path> directory, const RepositoryId& repository);

  struct Loaded {
    LoadedIndex index;
    std::vector<IndexId> skipped;  // damaged index files, with DamagedIndexFiles::skip
  };
  // The index made from exactly the files `present` (sorted). A cache made from all of them is
  // mapped; one made from some of them is extended; else, and when the cache is damaged, all are
  // read. Errors: those of `load`; not_found means that a file vanished since it was listed.
  Result<Loaded> load(Log& log, const std::vector<IndexId>& present, const LoadIndexFile& load,
                      DamagedIndexFiles on_damage);

  // Where temporary files of index runs may go.
  const std::filesystem::path& scratch() const { return scratch_; }

 private:
  std::filesystem::path cache_file() const { return *directory_ / "index"; }
  std::optional<LoadedIndex> read() const;
  Result<void> keep(const Fd& file) const;

  std::optional<std::filesystem::path> directory_;
  std::filesystem::path scratch_;
  RepositoryId repository_;
};

}  // namespace holdfast::repo
