#include "backup/window_capture.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "dataset/byte_stream.hpp"
#include "dataset/temp_file.hpp"

namespace holdfast::backup {

namespace {

constexpr std::size_t buffer_bytes = std::size_t{1} << 20;
constexpr auto drain_wait = std::chrono::milliseconds(20);
constexpr auto finish_wait = std::chrono::milliseconds(500);
constexpr int finish_waits_max = 120;
constexpr int reopens_max = 3;
constexpr Duration reopen_pause = std::chrono::seconds(1);

tl::unexpected<Error> lost(oplog::Timestamp at) {
  return fail(ErrorCode::history_lost,
              fmt::format("the server's oplog does not reach back to {} any more: it is too short "
                          "for the time the copy takes; `holdfast stream` keeps it while the copy "
                          "is made, or enlarge it",
                          oplog::to_text(at)));
}

}  // namespace

Result<oplog::Timestamp> WindowCapture::choose_start(const CaptureStart& start) {
  window_.kind = oplog::BaseKind::fuzzy;
  window_.first = TRY(source_.start_for_base());
  const auto oldest = TRY(source_.oldest());
  if (!oldest) return lost(window_.first);
  if (start.resumed_window && oldest->time.ts <= *start.resumed_window) {
    const auto there = TRY(source_.find(*start.resumed_window));
    is_resumed_ = there.has_value();
    if (is_resumed_) window_.first = *start.resumed_window;
  }
  if (!start.recorded || start.recorded->last.ts < oldest->time.ts) return window_.first;
  const auto& recorded = *start.recorded;
  const auto there = TRY(source_.find(recorded.last.ts));
  if (!there || there->time != recorded.last || there->hash != recorded.last_entry)
    return fail(ErrorCode::conflict,
                fmt::format("the server has not the entry at {} with which the recorded history "
                            "ends: that was rolled back (`holdfast stream` puts it aside), or this "
                            "is another server (give it a dataset of its own)",
                            oplog::to_text(recorded.last.ts)));
  return std::min(window_.first, recorded.last.ts);
}

Result<void> WindowCapture::start(const CaptureStart& start) {
  file_ = TRY(dataset::make_temp_file(temp_directory_));
  from_ = TRY(choose_start(start));
  return source_.open(from_);
}

Result<void> WindowCapture::take(ByteView entry) {
  auto seen = TRY(dataset::seen_entry_of(entry));
  const bool is_first = !last_;
  if (is_first && seen.time.ts != from_) return lost(from_);
  if (last_ && seen == *last_) return {};  // after a new start the last one comes again
  if (last_ && seen.time.ts <= last_->time.ts)
    return fail(
        ErrorCode::conflict,
        fmt::format("the server's history changed while the copy was made, at {}: run again",
                    oplog::to_text(seen.time.ts)));
  if (seen.time.ts == window_.first) window_offset_ = written_ + buffer_.size();
  append(buffer_, entry);
  last_ = seen;
  return buffer_.size() < buffer_bytes ? Result<void>() : flush();
}

Result<void> WindowCapture::flush() {
  TRY(write_all_at(file_.get(), buffer_, written_));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> WindowCapture::reopen() {
  Result<void> opened;
  for (int attempt = 0; attempt < reopens_max; ++attempt) {
    if (attempt > 0) context_.clock.sleep_for(reopen_pause);
    TRY(context_.check_stop());
    opened = source_.open(last_ ? last_->time.ts : from_);
    if (opened.has_value() || opened.error().code != ErrorCode::server_unreachable) return opened;
  }
  return opened;
}

// False: there is none now.
Result<bool> WindowCapture::take_next(std::chrono::milliseconds wait) {
  auto entry = source_.next(wait);
  if (!entry.has_value()) {
    if (entry.error().code != ErrorCode::server_unreachable) return fail(std::move(entry.error()));
    TRY(reopen());
    entry = source_.next(finish_wait);
    if (!entry.has_value()) return fail(std::move(entry.error()));
    // Where the last one is gone, others may be gone with it.
    const oplog::Timestamp expected = last_ ? last_->time.ts : from_;
    if (*entry) {
      const auto seen = TRY(dataset::seen_entry_of(**entry));
      if (seen.time.ts != expected) return lost(expected);
    }
  }
  if (!*entry) return false;
  TRY(take(**entry));
  return true;
}

Result<void> WindowCapture::drain() {
  const auto newest = TRY(source_.newest());
  if (!newest) return lost(from_);
  while (!last_ || last_->time.ts < newest->time.ts) {
    TRY(context_.check_stop());
    const bool took = TRY(take_next(drain_wait));
    if (!took) return {};
  }
  return {};
}

Result<void> WindowCapture::finish(oplog::Timestamp at_least) {
  const auto newest = TRY(source_.newest());
  if (!newest) return lost(from_);
  window_.last = std::max({at_least, newest->time.ts, window_.first});
  int waits = 0;
  while (!last_ || last_->time.ts < window_.last) {
    TRY(context_.check_stop());
    const bool took = TRY(take_next(finish_wait));
    waits = took ? 0 : waits + 1;
    if (waits == finish_waits_max)
      return fail(
          ErrorCode::server_failed,
          fmt::format("the server does not show its oplog up to {}", oplog::to_text(window_.last)));
  }
  window_.last = last_->time.ts;
  return flush();
}

Result<std::unique_ptr<dataset::DocumentStream>> WindowCapture::entries(Part part) {
  Fd file(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
  if (!file.is_open()) return fail_errno("read the captured oplog", errno);
  const std::uint64_t offset = part == Part::all ? 0 : window_offset_;
  const std::string name = "captured oplog";
  auto bytes = dataset::make_byte_reader(std::move(file), offset, name, dataset::Packing::plain);
  return std::unique_ptr<dataset::DocumentStream>(
      std::make_unique<dataset::BsonReader>(std::move(bytes), name));
}

}  // namespace holdfast::backup
