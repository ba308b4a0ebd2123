#pragma once
// Reads the contents of changed files and stores them, on threads of its own.
//
//   walk --> batches of small files ----------------> work queue --> workers: read, hash, store
//        \-> large files --> one reader: ring, cut --/
//
// Small files (one chunk each) are opened and read by the workers, so that their system calls run
// on all cores and their contents are hashed many at once. A large file is read by one thread into
// a ring, cut in place, and its chunks go to all workers: one big file keeps every core busy.
#include "backup/large_content.hpp"
#include "backup/mirrored_ring.hpp"
#include "backup/problem_log.hpp"
#include "base/channel.hpp"
#include "base/task_group.hpp"
#include "repo/chunker.hpp"

namespace holdfast::backup {

// A file up to here is exactly one chunk.
constexpr std::uint64_t small_file_bytes_max = repo::chunk_bytes_min;
constexpr std::size_t batch_files_max = 128;
constexpr std::uint64_t batch_bytes_max = 2 << 20;
// A group of chunks is handed on when it has this much.
constexpr std::size_t group_chunks_max = 8;
constexpr std::size_t group_bytes_max = 3 << 20;
// A cut is looked for in this much first: nine of ten chunks are shorter. Then in a longest chunk.
constexpr std::size_t window_bytes_first = 3 << 20;
constexpr std::size_t ring_bytes = 16 << 20;  // a longest chunk, a group, and what workers hold
constexpr std::size_t read_bytes_max = 1 << 20;
constexpr std::size_t work_queue_max = 4;
constexpr std::size_t large_queue_max = 64;
// Files of no size that have content (of kernel file systems) are read up to here.
constexpr std::uint64_t sizeless_bytes_max = 64 << 20;

// What all readers of one run need. Holds references; must not outlive them.
struct ReaderSetup {
  repo::Writer& writer;
  const repo::Chunker& chunker;
  BackupCounters& counters;
  ProblemLog& problems;
  const Context& context;
  TimeOffset time_offset = TimeOffset::utc;
  unsigned threads = 1;
};

// add and finish: one thread. The first error of any thread ends the others.
class ContentReaders {
 public:
  static Result<std::unique_ptr<ContentReaders>> make(const ReaderSetup& setup);
  ContentReaders(const ReaderSetup& setup, MirroredRing ring);
  ~ContentReaders();

  Result<void> add(FileJob job);
  // Waits until every added file is in its tree (or was reported).
  Result<void> finish();

 private:
  using SmallBatch = std::vector<FileJob>;
  struct Work {
    SmallBatch small_files;
    ChunkGroup group;  // if it has a content: this, else the batch
  };

  Result<void> flush_batch();
  Result<void> work();
  Result<void> save_group(const ChunkGroup& group);
  void report_progress() const;
  void shut_down();

  const ReaderSetup setup_;
  MirroredRing ring_;
  Channel<Work> work_queue_{work_queue_max};
  Channel<FileJob> large_queue_{large_queue_max};
  SmallBatch batch_;
  std::uint64_t batch_bytes_ = 0;
  TaskGroup workers_;
  TaskGroup large_reader_;
};

}  // namespace holdfast::backup
