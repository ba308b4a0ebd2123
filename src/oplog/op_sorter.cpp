#include "oplog/op_sorter.hpp"

#include <algorithm>

#include "oplog/group_fold.hpp"

namespace holdfast::oplog {

namespace {

constexpr std::size_t buffer_bytes_max = std::size_t{16} << 30;
constexpr std::size_t io_bytes_min = 4 * 1024;
constexpr std::size_t io_bytes_max = 512 * 1024;

// All runs are read at once: an eighth of the memory is for their buffers.
std::size_t io_bytes_for(std::size_t memory_bytes) {
  return std::clamp(memory_bytes / (8 * runs_max), io_bytes_min, io_bytes_max);
}

bool is_same_key(ByteView left, ByteView right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

}  // namespace

OpSorter::OpSorter(SpillStore& spill, std::size_t memory_bytes, Anomalies& anomalies,
                   std::function<Folding(CollectionNumber)> folding)
    : spill_(spill),
      io_bytes_(io_bytes_for(memory_bytes)),
      buffer_(std::min(memory_bytes - memory_bytes / 8, buffer_bytes_max)),
      folding_(std::move(folding)),
      state_(anomalies) {}

Result<void> OpSorter::add(const OpRecord& op) {
  if (buffer_.add(op)) return {};
  TRY(spill_buffer());
  buffer_.add(op);
  return {};
}

Result<void> OpSorter::spill_buffer() {
  buffer_.sort();
  auto writer = TRY(RunWriter::make(spill_, io_bytes_));
  for (std::size_t first = 0; first < buffer_.count();) {
    const auto collection = buffer_.collection_at(first);
    const auto stream = stream_of(buffer_, collection);
    TRY(write_collection(*stream, folding_(collection), writer));
    first = buffer_.end_of_collection(first);
  }
  buffer_.clear();
  TRY(keep_run(writer));
  if (runs_.size() >= runs_max) TRY(merge_runs());
  return {};
}

Result<void> OpSorter::keep_run(RunWriter& writer) {
  auto run = TRY(writer.finish());
  spilled_bytes_ += run.bytes;
  ++spilled_run_count_;
  runs_.push_back(std::move(run));
  return {};
}

Result<void> OpSorter::merge_runs() {
  std::vector<CollectionNumber> collections;
  for (const SpilledRun& run : runs_) {
    for (const RunSection& section : run.sections) collections.push_back(section.collection);
  }
  std::sort(collections.begin(), collections.end());
  collections.erase(std::unique(collections.begin(), collections.end()), collections.end());
  auto writer = TRY(RunWriter::make(spill_, io_bytes_));
  for (const auto collection : collections) {
    const auto merged = stream(collection);
    TRY(write_collection(*merged, folding_(collection), writer));
  }
  runs_.clear();
  return keep_run(writer);
}

Result<void> OpSorter::write_collection(OpStream& stream, Folding folding, RunWriter& to) {
  if (folding == Folding::drop) return {};
  GroupFold group(state_, to);
  bool is_open = false;
  while (true) {
    const OpRecord* op = TRY(stream.next());
    if (op == nullptr) break;
    if (folding == Folding::keep) {
      TRY(to.add(*op));
    } else if (is_open && is_same_key(op->key, group.key())) {
      TRY(group.add(*op));
    } else {
      if (is_open) TRY(group.end());
      is_open = true;
      TRY(group.start(*op));
    }
  }
  if (is_open) TRY(group.end());
  return {};
}

bool OpSorter::has(CollectionNumber collection) const {
  const bool is_spilled = std::any_of(runs_.begin(), runs_.end(), [&](const SpilledRun& run) {
    return run.find(collection) != nullptr;
  });
  return is_spilled ||
         buffer_.first_of_collection(collection) != buffer_.first_of_collection(collection + 1);
}

std::unique_ptr<OpStream> OpSorter::stream(CollectionNumber collection) const {
  std::vector<std::unique_ptr<OpStream>> streams;
  for (const SpilledRun& run : runs_) {
    const RunSection* section = run.find(collection);
    if (section != nullptr) streams.push_back(stream_of(run, *section, io_bytes_));
  }
  if (!buffer_.is_empty()) streams.push_back(stream_of(buffer_, collection));
  return merge(std::move(streams));
}

}  // namespace holdfast::oplog
