#pragma once
// Sorted operations as streams: from the buffer, from spilled runs, and merged.
#include <memory>

#include "oplog/op_buffer.hpp"
#include "oplog/spill.hpp"

namespace holdfast::oplog {

// Operations of one collection, ascending by key, then by arrival. One thread.
class OpStream {
 public:
  virtual ~OpStream() = default;
  // Null at the end. Valid until the next call.
  virtual Result<const OpRecord*> next() = 0;
};

// Where a collection's operations lie in a run.
struct RunSection {
  CollectionNumber collection = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct SpilledRun {
  std::unique_ptr<SpillRun> file;
  std::vector<RunSection> sections;  // ascending by collection
  std::uint64_t bytes = 0;

  const RunSection* find(CollectionNumber collection) const;
};

// Writes a run through a buffer. Operations come in order; finish() is needed.
class RunWriter {
 public:
  static Result<RunWriter> make(SpillStore& spill, std::size_t buffer_bytes);
  Result<void> add(const OpRecord& op);
  Result<SpilledRun> finish();

 private:
  RunWriter(std::unique_ptr<SpillRun> file, std::size_t buffer_bytes);
  Result<void> flush();

  SpilledRun run_;
  Bytes buffer_;
  std::size_t buffer_bytes_;
};

std::unique_ptr<OpStream> stream_of(const OpBuffer& buffer, CollectionNumber collection);
// `run` must outlive the stream.
std::unique_ptr<OpStream> stream_of(const SpilledRun& run, const RunSection& section,
                                    std::size_t buffer_bytes);
// Equal keys come in the order of the streams given.
std::unique_ptr<OpStream> merge(std::vector<std::unique_ptr<OpStream>> streams);

}  // namespace holdfast::oplog
