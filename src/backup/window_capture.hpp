#pragma once
// The oplog of the time in which a copy is made, and, where the server still has it, of the time
// since the recorded history ends. Kept in an unnamed file until it is known what is new
// (docs/oplog_format.md 7.7).
#include <optional>

#include "base/context.hpp"
#include "dataset/mongo_stream.hpp"
#include "dataset/oplog_source.hpp"
#include "oplog/timeline.hpp"

namespace holdfast::backup {

struct CaptureStart {
  std::optional<oplog::SegmentFacts> recorded;     // the newest segment of the dataset
  std::optional<oplog::Timestamp> resumed_window;  // where the window of an unfinished copy began
};

// One thread. start(), then drain() from time to time, finish() once; then the entries can be read.
class WindowCapture {
 public:
  // What it refers to must outlive it.
  WindowCapture(dataset::OplogSource& source, Context& context,
                std::filesystem::path temp_directory)
      : source_(source), context_(context), temp_directory_(std::move(temp_directory)) {}

  // Errors: conflict (the server's history is not the recorded one), history_lost, those of the
  // source.
  Result<void> start(const CaptureStart& start);
  // Takes what is there now. Error: history_lost when entries were overwritten before they were
  // read.
  Result<void> drain();
  // Takes all up to the newest entry, which is not before `at_least`. Errors: as drain();
  // server_failed when the server does not show that entry.
  Result<void> finish(oplog::Timestamp at_least);

  bool is_resumed() const { return is_resumed_; }  // the window is that of the unfinished copy
  const oplog::BaseWindow& window() const { return window_; }  // `last` after finish()

  enum class Part : std::uint8_t { all, window };
  Result<std::unique_ptr<dataset::DocumentStream>> entries(Part part);

 private:
  Result<oplog::Timestamp> choose_start(const CaptureStart& start);
  Result<void> take(ByteView entry);
  Result<bool> take_next(std::chrono::milliseconds wait);
  Result<void> reopen();
  Result<void> flush();

  dataset::OplogSource& source_;
  Context& context_;
  std::filesystem::path temp_directory_;
  Fd file_;
  Bytes buffer_;
  std::uint64_t written_ = 0;
  std::uint64_t window_offset_ = 0;
  bool is_resumed_ = false;
  oplog::BaseWindow window_;
  oplog::Timestamp from_;                   // of the first entry that is read
  std::optional<dataset::SeenEntry> last_;  // read
};

}  // namespace holdfast::backup
