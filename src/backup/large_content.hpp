#pragma once
// A file whose content is to be read, and the collecting of a large file's chunk ids from many
// threads.
#include "backup/files_node.hpp"
#include "backup/mirrored_ring.hpp"
#include "backup/tree_in_progress.hpp"
#include "dataset/files_walk.hpp"

namespace holdfast::backup {

// Movable value: where to open the file, what was known of it, and where its node belongs.
struct FileJob {
  dataset::DirectoryHandle parent;
  std::string open_name;
  dataset::FileEntry facts;  // as the walk saw them
  TreeInProgress::Handle tree;
  TreeInProgress::Slot slot = 0;
  bool is_new = false;  // not in the parent snapshot
  // Set when the facts alone could not decide: equal content means unmodified.
  std::optional<std::vector<repo::BlobId>> previous_content;

  std::string path() const { return parent->path + "/" + open_name; }
};

// Counts the file as new, changed or unmodified, and puts it into its tree.
Result<void> finish_file(FileJob& job, repo::Node node, BackupCounters& counters);

// Thread-safe. Becomes ready when all expected ids are there and the node was given.
class LargeContent {
 public:
  LargeContent(FileJob& job, BackupCounters& counters) : job_(job), counters_(counters) {}

  // The reading thread. Numbers count from 0.
  std::size_t expect(std::size_t chunk_count);
  // The file was read to its end and is taken: its job belongs to this object now.
  Result<void> accept(repo::Node node);

  Result<void> put(std::size_t first_number, std::span<const repo::SavedBlob> blobs);

 private:
  Result<void> finish();

  FileJob& job_;  // until accepted
  BackupCounters& counters_;
  Mutex mutex_;
  std::vector<repo::BlobId> ids_ GUARDED_BY(mutex_);
  std::size_t missing_ GUARDED_BY(mutex_) = 0;
  std::optional<FileJob> accepted_ GUARDED_BY(mutex_);
  repo::Node node_ GUARDED_BY(mutex_);
};

// Chunks that lie one after the other in the ring.
struct ChunkGroup {
  std::shared_ptr<LargeContent> content;  // shared with the other groups of the file
  std::size_t first_number = 0;
  std::vector<ByteView> chunks;
  MirroredRing::Loan loan = 0;
};

}  // namespace holdfast::backup
