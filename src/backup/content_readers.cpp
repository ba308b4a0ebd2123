#include "backup/content_readers.hpp"

#include <array>

#include "backup/file_reading.hpp"

namespace holdfast::backup {

Result<std::unique_ptr<ContentReaders>> ContentReaders::make(const ReaderSetup& setup) {
  auto ring = TRY(MirroredRing::make(ring_bytes));
  return std::make_unique<ContentReaders>(setup, std::move(ring));
}

ContentReaders::ContentReaders(const ReaderSetup& setup, MirroredRing ring)
    : setup_(setup), ring_(std::move(ring)) {
  for (unsigned number = 0; number < setup_.threads; ++number) {
    workers_.start([this](const std::stop_token&) -> Result<void> {
      auto result = work();
      if (!result.has_value()) shut_down();
      return result;
    });
  }
  large_reader_.start([this](const std::stop_token&) -> Result<void> {
    LargeFileReader reader(setup_, ring_, [this](ChunkGroup group) {
      return work_queue_.push({{}, std::move(group)});
    });
    while (auto job = large_queue_.pop()) {
      auto result = reader.save(*job);
      if (!result.has_value()) {
        shut_down();
        return fail(std::move(result.error()));
      }
      if (!*result) break;
    }
    return {};
  });
}

ContentReaders::~ContentReaders() {
  shut_down();
}

void ContentReaders::shut_down() {
  work_queue_.close();
  large_queue_.close();
  ring_.close();
}

Result<void> ContentReaders::add(FileJob job) {
  if (job.facts.size > small_file_bytes_max) {
    if (!large_queue_.push(std::move(job))) return finish();
    return {};
  }
  batch_bytes_ += job.facts.size;
  batch_.push_back(std::move(job));
  if (batch_.size() < batch_files_max && batch_bytes_ < batch_bytes_max) return {};
  return flush_batch();
}

Result<void> ContentReaders::flush_batch() {
  batch_bytes_ = 0;
  if (batch_.empty()) return {};
  if (!work_queue_.push({std::exchange(batch_, {}), {}})) return finish();
  return {};
}

Result<void> ContentReaders::finish() {
  if (!batch_.empty()) work_queue_.push({std::exchange(batch_, {}), {}});
  large_queue_.close();
  auto read = large_reader_.wait();
  work_queue_.close();
  const auto worked = workers_.wait();
  if (!worked.has_value()) return fail(worked.error());
  return read;
}

Result<void> ContentReaders::work() {
  SmallFileReader small(setup_);
  while (auto work = work_queue_.pop()) {
    if (work->group.content != nullptr)
      TRY(save_group(work->group));
    else
      TRY(small.save(work->small_files));
    report_progress();
  }
  return {};
}

Result<void> ContentReaders::save_group(const ChunkGroup& group) {
  std::array<repo::SavedBlob, group_chunks_max> saved;
  const auto ours = std::span(saved).first(group.chunks.size());
  TRY(setup_.writer.save_many(repo::BlobType::data, group.chunks, ours));
  for (const auto& chunk : group.chunks) setup_.counters.bytes_done += chunk.size();
  ring_.release(group.loan);
  return group.content->put(group.first_number, ours);
}

void ContentReaders::report_progress() const {
  setup_.context.log.progress(
      {"backup", setup_.counters.files_done, 0, setup_.counters.bytes_done, 0});
}

}  // namespace holdfast::backup
