#pragma once
// How messages and progress look: a live line with rate and ETA on a terminal, one line a minute
// otherwise, JSON lines on request. Everything goes to standard error.
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"

namespace holdfast::cli {

enum class ProgressStyle : std::uint8_t { none, plain, tty, json };

struct LogOptions {
  ProgressStyle style = ProgressStyle::plain;
  bool quiet = false;  // warnings only
};

// tty when standard error is a terminal, plain otherwise.
ProgressStyle default_progress_style();

// "1.2 GiB", "340 B".
std::string format_bytes(std::uint64_t bytes);
// "1:02:03" or "2:03".
std::string format_span(Duration span);
// The same, for what may be short: "0.8 s" below a minute.
std::string format_time_taken(Duration span);
// The text of one progress line, without carriage return: pure, tested.
std::string format_progress(const Progress& progress, Duration elapsed);

// Thread-safe.
class TerminalLog final : public Log {
 public:
  TerminalLog(Clock& clock, LogOptions options);
  ~TerminalLog() override;

  void note(std::string_view message) override;
  void warn(std::string_view message) override;
  void progress(const Progress& progress) override;

 private:
  void show(const Progress& progress, Duration now) REQUIRES_LOCK(mutex_);
  void print_message(std::string_view kind, std::string_view message);
  void clear_line() REQUIRES_LOCK(mutex_);

  Clock& clock_;
  const LogOptions options_;
  Mutex mutex_;
  std::string phase_ GUARDED_BY(mutex_);
  Duration phase_started_ GUARDED_BY(mutex_){};
  Duration last_shown_ GUARDED_BY(mutex_){};
  bool line_open_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::cli
