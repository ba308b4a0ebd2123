#pragma once
// Reading one file for a backup: opened without following links, and read again when it changed
// meanwhile.
#include "backup/content_readers.hpp"

namespace holdfast::backup {

// How an attempt to read a file ended.
enum class ReadEnd : std::uint8_t {
  taken,     // node and content belong together
  again,     // it changed; the job's facts are the new ones
  left_out,  // vanished or unreadable; the problem was reported, the slot is dropped
};

// An open file and what it is now.
struct OpenFile {
  Fd fd;
  dataset::FileEntry facts;
};

// Nothing when the file vanished or can not be read: then it was reported and dropped.
Result<std::optional<Fd>> open_to_read(FileJob& job, ProblemLog& problems);
Result<void> leave_out(FileJob& job, const Error& error, ProblemLog& problems);

// Looks at the open file after it was read: is what was read what the walk saw? On the last attempt
// a changed file is taken as it is, and reported. Reads the attributes into job.facts.
Result<ReadEnd> settle_reading(FileJob& job, int fd, std::uint64_t bytes_read, unsigned attempt,
                               ProblemLog& problems);

// One per worker: small files of a batch, read one after the other into one piece of memory and
// stored together.
class SmallFileReader {
 public:
  explicit SmallFileReader(const ReaderSetup& setup) : setup_(setup) {}
  Result<void> save(std::vector<FileJob>& batch);

 private:
  struct Reading {
    FileJob* job = nullptr;
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };

  Result<void> read(FileJob& job);
  Result<ReadEnd> read_once(FileJob& job, unsigned attempt);
  Result<void> save_as_stream(FileJob& job, int fd);
  Result<void> finish(std::span<const repo::SavedBlob> saved);

  const ReaderSetup& setup_;
  dataset::OwnerNames owners_;
  Bytes memory_;
  std::size_t used_ = 0;
  std::vector<Reading> readings_;
  std::vector<ByteView> contents_;
  std::vector<repo::SavedBlob> saved_;
};

// The reading thread of large files.
class LargeFileReader {
 public:
  // Hands a group to the workers; false when they have stopped.
  using HandOn = std::function<bool(ChunkGroup)>;
  LargeFileReader(const ReaderSetup& setup, MirroredRing& ring, HandOn hand_on)
      : setup_(setup), ring_(ring), hand_on_(std::move(hand_on)) {}

  // False when the run is being stopped.
  Result<bool> save(FileJob& job);

 private:
  struct Window {
    std::uint64_t begin = 0;  // ring position of the first byte that is in no chunk yet
    std::uint64_t read_bytes = 0;
    std::size_t wanted_bytes = window_bytes_first;
    bool at_end = false;
  };

  Result<ReadEnd> save_once(FileJob& job, unsigned attempt);
  Result<bool> fill(Window& window, int fd, std::uint64_t bytes_max);
  bool cut(Window& window, ChunkGroup& group);
  bool flush(Window& window, ChunkGroup& group);

  const ReaderSetup& setup_;
  MirroredRing& ring_;
  HandOn hand_on_;
  dataset::OwnerNames owners_;
  bool stopped_ = false;
};

}  // namespace holdfast::backup
