#include "recover/restore_window.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/task_group.hpp"
#include "recover/restored_entry.hpp"

namespace holdfast::recover {
namespace {

// Below this a file is written in one call; looking for holes would cost more than it saves.
constexpr std::uint64_t sparse_bytes_min = 64 << 10;

Result<void> set_length(int fd, std::uint64_t bytes) {
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) return fail_errno("set the length", errno);
  return {};
}

}  // namespace

WindowRestore::WindowRestore(const repo::Repository& repository, dataset::RestoreDirectory& target,
                             const RestoreFilesOptions& options, RestoreReport& report)
    : repository_(repository), target_(target), options_(options), report_(report) {
  const auto wanted = options.threads != 0 ? options.threads : std::thread::hardware_concurrency();
  thread_count_ = std::clamp(wanted, 1U, restore_threads_max);
}

void WindowRestore::expect(std::uint64_t files, std::uint64_t bytes) {
  files_expected_ = files;
  bytes_expected_ = bytes;
}

Result<void> WindowRestore::restore(std::deque<PlannedFile>& files) {
  files_ = &files;
  TRY(on_all_threads(files.size(), &WindowRestore::prepare));
  {
    MutexLock lock(mutex_);
    plan_ = plan_fetches(std::exchange(needed_, {}));
  }
  TRY(on_all_threads(plan_.runs.size(), &WindowRestore::fetch));
  if (options_.read_back == ReadBack::yes)
    TRY(on_all_threads(files.size(), &WindowRestore::read_back));
  plan_ = {};
  return {};
}

Result<void> WindowRestore::on_all_threads(std::size_t item_count, Step step) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&](std::stop_token stop) -> Result<void> {
    repo::BlobReader reader(repository_);
    while (!stop.stop_requested()) {
      const auto item = next++;
      if (item >= item_count) break;
      TRY(repository_.context().check_stop());
      TRY((this->*step)(item, reader));
    }
    return {};
  };
  TaskGroup group;
  const auto threads = std::min<std::size_t>(thread_count_, item_count);
  for (std::size_t number = 0; number < threads; ++number) group.start(work);
  return group.wait();
}

Result<void> WindowRestore::prepare(std::size_t number, repo::BlobReader&) {
  auto& file = (*files_)[number];
  const auto prepared = prepare_file(file);
  if (!prepared.has_value()) return fail_file(file, prepared.error());
  return {};
}

Result<void> WindowRestore::prepare_file(PlannedFile& file) {
  const auto blobs = TRY(locate_content(repository_.index(), file.content));
  file.bytes = plain_bytes_of(blobs);
  const auto place = TRY(target_.place(file.path));
  if (!file.in_new_directory) {
    const bool is_settled = TRY(settle_existing(file, place, blobs));
    if (is_settled) return {};
  }
  std::vector<bool> is_there(blobs.size(), false);
  if (blobs.size() != 1) is_there = TRY(begin_partial(file, place, blobs));
  std::vector<NeededBlob> needed;
  std::uint64_t offset = 0;
  for (std::size_t number = 0; number < blobs.size(); ++number) {
    if (is_there[number])
      report_.bytes_kept += blobs[number].plain_bytes();
    else
      needed.push_back({blobs[number], {&file, offset}});
    offset += blobs[number].plain_bytes();
  }
  file.blobs_missing = static_cast<std::uint32_t>(needed.size());
  if (needed.empty()) {
    const auto partial = TRY(dataset::open_partial(place, file.content_hash));
    return finish_file(file, place, partial);
  }
  MutexLock lock(mutex_);
  needed_.insert(needed_.end(), needed.begin(), needed.end());
  return {};
}

// True when nothing is left to do: the file is there already, or something stands in its way.
Result<bool> WindowRestore::settle_existing(PlannedFile& file, const dataset::TargetPlace& place,
                                            const std::vector<repo::IndexedBlob>& blobs) {
  const auto existing = TRY(dataset::look_at(place));
  if (!existing) return false;
  if (existing->kind == dataset::FileKind::file && existing->size == file.bytes) {
    const auto fd = TRY(dataset::open_existing_file(place));
    const auto equal = TRY(compare_content(fd.get(), blobs));
    if (std::find(equal.begin(), equal.end(), false) == equal.end()) {
      std::vector<std::string> warnings;
      dataset::apply_metadata(fd.get(), file.metadata, dataset::Leftovers::remove, warnings);
      report_.warnings(file.path, warnings);
      ++report_.files_kept;
      report_.bytes_kept += file.bytes;
      file.fate = PlannedFile::Fate::kept;
      return true;
    }
  }
  if (options_.overwrite == Overwrite::yes && existing->kind != dataset::FileKind::directory) {
    file.replace = dataset::Replace::yes;
    return false;
  }
  report_.conflict(file.path, existing->kind == dataset::FileKind::directory
                                  ? "a directory stands there"
                                  : "something else stands there");
  file.fate = PlannedFile::Fate::failed;
  return true;
}

// The temporary file at its full length; which pieces an earlier run has written already.
Result<std::vector<bool>> WindowRestore::begin_partial(
    PlannedFile& file, const dataset::TargetPlace& place,
    const std::vector<repo::IndexedBlob>& blobs) {
  const auto partial = TRY(dataset::open_partial(place, file.content_hash));
  std::vector<bool> is_there(blobs.size(), false);
  if (partial.kept_bytes > 0) {
    is_there = TRY(compare_content(partial.fd.get(), blobs));
    file.resumes = true;
  }
  if (partial.kept_bytes != file.bytes) TRY(set_length(partial.fd.get(), file.bytes));
  return is_there;
}

Result<void> WindowRestore::fetch(std::size_t number, repo::BlobReader& reader) {
  const auto& run = plan_.runs[number];
  const auto planned = std::span(plan_.blobs).subspan(run.first, run.count);
  std::vector<repo::IndexedBlob> blobs;
  blobs.reserve(planned.size());
  for (const auto& one : planned) blobs.push_back(one.blob);
  std::vector<bool> delivered(planned.size(), false);
  auto loaded = reader.load_run(blobs, [&](std::size_t at, ByteView plain) -> Result<void> {
    delivered[at] = true;
    return write_uses(planned[at], plain);
  });
  report_.blobs_fetched += planned.size();
  report_.bytes_fetched +=
      std::uint64_t{blobs.back().offset} + blobs.back().length - blobs.front().offset;
  if (!loaded.has_value() && ends_restore(loaded.error())) return loaded;
  for (std::size_t at = 0; at < planned.size(); ++at) {
    // One bad blob ended the run: the others are read one by one.
    if (delivered[at]) continue;
    const auto plain = reader.load(planned[at].blob.handle);
    if (plain.has_value()) {
      TRY(write_uses(planned[at], *plain));
      continue;
    }
    for (std::uint32_t use = 0; use < planned[at].use_count; ++use)
      TRY(fail_file(*plan_.uses[planned[at].first_use + use].file, plain.error()));
  }
  repository_.context().log.progress({"restore", report_.files + report_.files_kept,
                                      files_expected_, report_.bytes + report_.bytes_kept,
                                      bytes_expected_});
  return {};
}

Result<void> WindowRestore::write_uses(const PlannedBlob& blob, ByteView plain) {
  for (std::uint32_t number = 0; number < blob.use_count; ++number) {
    const auto& use = plan_.uses[blob.first_use + number];
    if (use.file->fate == PlannedFile::Fate::failed) continue;
    const auto written = write_piece(*use.file, use.offset, plain);
    if (!written.has_value()) TRY(fail_file(*use.file, written.error()));
  }
  return {};
}

Result<void> WindowRestore::write_piece(PlannedFile& file, std::uint64_t offset, ByteView plain) {
  const auto place = TRY(target_.place(file.path));
  const auto partial = TRY(dataset::open_partial(place, file.content_hash));
  const int fd = partial.fd.get();
  if (file.content.size() == 1) {
    if (partial.kept_bytes > 0) TRY(set_length(fd, 0));
    if (file.bytes >= sparse_bytes_min) TRY(set_length(fd, file.bytes));
  } else if (partial.kept_bytes != file.bytes) {
    return fail(ErrorCode::conflict, "somebody replaced the unfinished file");
  }
  if (file.resumes || file.bytes < sparse_bytes_min)
    TRY(write_all_at(fd, plain, offset));
  else
    TRY(dataset::write_sparsely(fd, plain, offset));
  report_.bytes += plain.size();
  if (file.blobs_missing.fetch_sub(1) != 1) return {};
  return finish_file(file, place, partial);
}

Result<void> WindowRestore::finish_file(PlannedFile& file, const dataset::TargetPlace& place,
                                        const dataset::PartialFile& partial) {
  std::vector<std::string> warnings;
  // A new file has only what the target's default ACL gave it.
  const auto leftovers = target_.has_default_acl() || file.resumes ? dataset::Leftovers::remove
                                                                   : dataset::Leftovers::ignore;
  dataset::apply_metadata(partial.fd.get(), file.metadata, leftovers, warnings);
  if (!warnings.empty()) report_.warnings(file.path, warnings);
  auto published = dataset::publish_entry(place, partial.temporary_name, file.replace);
  if (!published.has_value()) {
    dataset::discard_partial(place, partial.temporary_name);
    return published;
  }
  ++report_.files;
  file.fate = PlannedFile::Fate::made;
  return {};
}

Result<void> WindowRestore::fail_file(PlannedFile& file, const Error& error) {
  if (ends_restore(error)) return fail(error);
  if (file.fate.exchange(PlannedFile::Fate::failed) == PlannedFile::Fate::failed) return {};
  if (error.code == ErrorCode::exists)
    report_.conflict(file.path, error.message);
  else
    report_.failure(file.path, error.message);
  return {};
}

Result<void> WindowRestore::read_back(std::size_t number, repo::BlobReader&) {
  auto& file = (*files_)[number];
  if (file.fate != PlannedFile::Fate::made) return {};
  const auto check = [&]() -> Result<void> {
    const auto blobs = TRY(locate_content(repository_.index(), file.content));
    const auto place = TRY(target_.place(file.path));
    const auto fd = TRY(dataset::open_existing_file(place));
    const auto equal = TRY(compare_content(fd.get(), blobs));
    if (std::find(equal.begin(), equal.end(), false) != equal.end())
      return fail(ErrorCode::verification_failed, "reads back other bytes than were written");
    report_.bytes_read_back += file.bytes;
    return {};
  };
  const auto checked = check();
  if (!checked.has_value()) return fail_file(file, checked.error());
  return {};
}

}  // namespace holdfast::recover
