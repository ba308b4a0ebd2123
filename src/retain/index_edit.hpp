#pragma once
// Rewrites index files: new ones are durable before old ones go, and files that need no change
// stay.
#include <functional>

#include "repo/index_file.hpp"
#include "repo/repository.hpp"

namespace holdfast::retain {

// New index files are closed at about this many blobs, as restic does.
constexpr std::size_t index_file_blobs_max = 50'000;
// Small files are merged when there are more of them than this.
constexpr std::size_t small_index_files_max = 16;
constexpr std::size_t small_index_file_blobs = 10'000;

// What one listed pack becomes. `pack` may be changed in place (state, time); false drops it.
using EditPack = std::function<bool(repo::IndexedPack& pack)>;

struct IndexEdited {
  std::size_t written = 0;  // index files
  std::size_t removed = 0;
};

// Applies `edit` to all index files in `files`. Live packs and marked ones go to files of their
// own; a pack that several rewritten files list the same way is listed once. Crash at any moment:
// each pack is still listed, perhaps twice. Asks `may_go_on` right before the old files are
// removed. Errors: corrupt (a file can not be read), those of `may_go_on` and of the store.
struct IndexEdit {
  std::vector<repo::IndexId> files;
  EditPack edit;
  std::function<Result<void>()> may_go_on;
  enum class MergeSmall : std::uint8_t { no, yes } merge_small = MergeSmall::no;
};
Result<IndexEdited> edit_index(const repo::Repository& repository, const IndexEdit& edit);

}  // namespace holdfast::retain
