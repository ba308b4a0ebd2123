#include "backup/file_reading.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast::backup {
namespace {

// One call for a file that is as long as the walk saw: a short read of a regular file is its end.
Result<std::size_t> read_small(int fd, MutableByteView room, std::uint64_t bytes_expected) {
  const auto got = ::read(fd, room.data(), room.size());
  if (got >= 0 && static_cast<std::uint64_t>(got) == bytes_expected)
    return static_cast<std::size_t>(got);
  return read_up_to_at(fd, room, 0);
}

}  // namespace

Result<void> leave_out(FileJob& job, const Error& error, ProblemLog& problems) {
  // What vanishes between looking and opening was simply deleted.
  if (error.code != ErrorCode::not_found) problems.unreadable(job.path(), error);
  return job.tree->drop(job.slot);
}

Result<std::optional<Fd>> open_to_read(FileJob& job, ProblemLog& problems) {
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  const char* name = job.open_name.c_str();
  Fd fd(::openat(job.parent->fd, name, flags | O_NOATIME));
  if (!fd.is_open() && errno == EPERM) fd = Fd(::openat(job.parent->fd, name, flags));
  if (fd.is_open()) return std::optional<Fd>(std::move(fd));
  const auto error = fail_errno("open", errno).value();
  TRY(leave_out(job, error, problems));
  return std::optional<Fd>();
}

Result<ReadEnd> settle_reading(FileJob& job, int fd, std::uint64_t bytes_read, unsigned attempt,
                               ProblemLog& problems) {
  std::vector<std::string> warnings;
  dataset::FileEntry now;
  dataset::read_attributes_of(fd, now, warnings);
  const auto looked = dataset::read_facts_of(fd, now);
  if (!looked.has_value() || now.kind != dataset::FileKind::file) {
    const Error error = looked.has_value()
                            ? Error{ErrorCode::io, "is no longer a regular file", {}, {}}
                            : looked.error();
    TRY(leave_out(job, error, problems));
    return ReadEnd::left_out;
  }
  // A file of size 0 that has content is one of the kernel's: its size means nothing.
  const bool whole = bytes_read == now.size || now.size == 0;
  const bool unchanged = whole && dataset::same_facts(job.facts, now);
  now.name = std::move(job.facts.name);
  job.facts = std::move(now);
  if (!unchanged && attempt + 1 < read_again_max) return ReadEnd::again;
  if (!unchanged) problems.changed_while_read(job.path());
  if (!warnings.empty()) problems.attribute(job.path(), warnings);
  return ReadEnd::taken;
}

Result<void> SmallFileReader::save(std::vector<FileJob>& batch) {
  used_ = 0;
  readings_.clear();
  contents_.clear();
  for (auto& job : batch) TRY(read(job));
  for (const auto& reading : readings_)
    if (reading.bytes > 0)
      contents_.push_back(ByteView(memory_).subspan(reading.offset, reading.bytes));
  saved_.resize(contents_.size());
  TRY(setup_.writer.save_many(repo::BlobType::data, contents_, saved_));
  return finish(saved_);
}

Result<void> SmallFileReader::read(FileJob& job) {
  for (unsigned attempt = 0; attempt < read_again_max; ++attempt) {
    const auto end = TRY(read_once(job, attempt));
    if (end != ReadEnd::again) break;
  }
  return {};
}

Result<ReadEnd> SmallFileReader::read_once(FileJob& job, unsigned attempt) {
  auto fd = TRY(open_to_read(job, setup_.problems));
  if (!fd) return ReadEnd::left_out;
  // It may have grown since the walk, or be without size: then it is read like any stream.
  const auto room = static_cast<std::size_t>(job.facts.size) + 1;
  if (job.facts.size > small_file_bytes_max) {
    TRY(save_as_stream(job, fd->get()));
    return ReadEnd::taken;
  }
  if (memory_.size() < used_ + room)
    memory_.resize(std::max<std::size_t>(used_ + room, 2 * memory_.size()));
  const auto got =
      read_small(fd->get(), MutableByteView(memory_).subspan(used_, room), job.facts.size);
  if (!got.has_value()) {
    TRY(leave_out(job, got.error(), setup_.problems));
    return ReadEnd::left_out;
  }
  if (job.facts.size == 0 && *got > 0) {
    TRY(save_as_stream(job, fd->get()));
    return ReadEnd::taken;
  }
  const auto end = TRY(settle_reading(job, fd->get(), *got, attempt, setup_.problems));
  if (end == ReadEnd::taken) {
    readings_.push_back({&job, used_, *got});
    used_ += *got;
  }
  return end;
}

Result<void> SmallFileReader::save_as_stream(FileJob& job, int fd) {
  const bool has_size = job.facts.size > 0;
  const auto bytes_max = has_size ? job.facts.size : sizeless_bytes_max;
  std::vector<repo::BlobId> content;
  Bytes window(repo::chunk_bytes_max);
  std::size_t held = 0;
  std::uint64_t total = 0;
  while (true) {
    const auto room = std::min<std::uint64_t>(window.size() - held, bytes_max - total - held);
    const auto got = read_up_to_at(
        fd, MutableByteView(window).subspan(held, static_cast<std::size_t>(room)), total + held);
    if (!got.has_value()) return leave_out(job, got.error(), setup_.problems);
    held += *got;
    if (held == 0) break;
    const auto length = setup_.chunker.first_cut(ByteView(window).first(held));
    const auto saved =
        TRY(setup_.writer.save(repo::BlobType::data, ByteView(window).first(length)));
    content.push_back(saved.id);
    std::memmove(window.data(), window.data() + length, held - length);
    held -= length;
    total += length;
  }
  if (!has_size && total == bytes_max)
    return leave_out(job, Error{ErrorCode::io, "has no size and does not end", {}, {}},
                     setup_.problems);
  const auto end = TRY(settle_reading(job, fd, total, read_again_max, setup_.problems));
  if (end != ReadEnd::taken) return {};
  auto node = to_node(job.facts, owners_, setup_.time_offset);
  take_details(node, std::move(job.facts));
  node.size = total;
  node.content = std::move(content);
  setup_.counters.bytes_done += total;
  return finish_file(job, std::move(node), setup_.counters);
}

Result<void> SmallFileReader::finish(std::span<const repo::SavedBlob> saved) {
  std::size_t next = 0;
  for (auto& reading : readings_) {
    auto& job = *reading.job;
    auto node = to_node(job.facts, owners_, setup_.time_offset);
    take_details(node, std::move(job.facts));
    node.size = reading.bytes;
    if (reading.bytes > 0) node.content.push_back(saved[next++].id);
    setup_.counters.bytes_done += reading.bytes;
    TRY(finish_file(job, std::move(node), setup_.counters));
  }
  return {};
}

Result<bool> LargeFileReader::save(FileJob& job) {
  for (unsigned attempt = 0; attempt < read_again_max; ++attempt) {
    const auto end = TRY(save_once(job, attempt));
    if (stopped_) return false;
    if (end != ReadEnd::again) break;
  }
  return true;
}

Result<ReadEnd> LargeFileReader::save_once(FileJob& job, unsigned attempt) {
  auto fd = TRY(open_to_read(job, setup_.problems));
  if (!fd) return ReadEnd::left_out;
  ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  ChunkGroup group;
  group.content = std::make_shared<LargeContent>(job, setup_.counters);
  const auto content = group.content;
  Window window;
  window.begin = ring_.written();
  while (true) {
    // No further than the size that the walk saw: a file that grows as fast as it is read ends too.
    const auto filled = fill(window, fd->get(), job.facts.size);
    if (!filled.has_value()) {
      flush(window, group);
      TRY(leave_out(job, filled.error(), setup_.problems));
      return ReadEnd::left_out;
    }
    if (!*filled || !cut(window, group)) {
      stopped_ = true;
      return ReadEnd::left_out;
    }
    if (window.at_end && window.begin == ring_.written()) break;
  }
  if (!flush(window, group)) {
    stopped_ = true;
    return ReadEnd::left_out;
  }
  const auto end = TRY(settle_reading(job, fd->get(), window.read_bytes, attempt, setup_.problems));
  if (end != ReadEnd::taken) return end;
  auto node = to_node(job.facts, owners_, setup_.time_offset);
  take_details(node, std::move(job.facts));
  node.size = window.read_bytes;
  TRY(content->accept(std::move(node)));
  return ReadEnd::taken;
}

// Reads until the window has what it wants or the file has ended. False when stopped.
Result<bool> LargeFileReader::fill(Window& window, int fd, std::uint64_t bytes_max) {
  while (!window.at_end && ring_.written() - window.begin < window.wanted_bytes) {
    auto room = ring_.writable();
    if (room.empty()) return false;
    const auto wanted =
        std::min<std::uint64_t>({room.size(), read_bytes_max, bytes_max - window.read_bytes});
    const auto got = TRY(read_up_to(fd, room.first(static_cast<std::size_t>(wanted))));
    ring_.produced(got);
    window.read_bytes += got;
    window.at_end = got < wanted || window.read_bytes == bytes_max;
  }
  return true;
}

// Moves one chunk from the window to the group, or asks for a larger window. False when stopped.
bool LargeFileReader::cut(Window& window, ChunkGroup& group) {
  const auto rest =
      ring_.view(window.begin, static_cast<std::size_t>(ring_.written() - window.begin));
  const auto length = setup_.chunker.first_cut(rest);
  if (length == 0) return true;
  const bool is_cut = length < rest.size() || window.at_end || length == repo::chunk_bytes_max;
  window.wanted_bytes = is_cut ? window_bytes_first : repo::chunk_bytes_max;
  if (!is_cut) return true;
  group.chunks.push_back(rest.first(length));
  window.begin += length;
  std::size_t group_bytes = 0;
  for (const auto& chunk : group.chunks) group_bytes += chunk.size();
  if (group.chunks.size() < group_chunks_max && group_bytes < group_bytes_max) return true;
  return flush(window, group);
}

bool LargeFileReader::flush(Window& window, ChunkGroup& group) {
  const auto content = group.content;
  ChunkGroup next;
  next.content = content;
  std::swap(group, next);
  next.loan = ring_.lend(window.begin);
  if (next.chunks.empty()) {
    ring_.release(next.loan);
    return true;
  }
  next.first_number = content->expect(next.chunks.size());
  return hand_on_(std::move(next));
}

}  // namespace holdfast::backup
