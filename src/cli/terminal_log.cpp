#include "cli/terminal_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/signals.hpp"

namespace holdfast::cli {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration tty_interval = milliseconds(200);
constexpr Duration plain_interval = seconds(60);
constexpr Duration json_interval = seconds(1);

double seconds_of(Duration span) {
  return std::chrono::duration<double>(span).count();
}

Duration interval_of(ProgressStyle style) {
  switch (style) {
    case ProgressStyle::tty:
      return tty_interval;
    case ProgressStyle::json:
      return json_interval;
    default:
      return plain_interval;
  }
}

std::string progress_as_json(const Progress& progress, Duration elapsed) {
  return nlohmann::ordered_json{{"v", 1},
                                {"type", "progress"},
                                {"phase", progress.phase},
                                {"seconds", seconds_of(elapsed)},
                                {"files_done", progress.files_done},
                                {"files_total", progress.files_total},
                                {"bytes_done", progress.bytes_done},
                                {"bytes_total", progress.bytes_total}}
      .dump();
}

}  // namespace

ProgressStyle default_progress_style() {
  return isatty(STDERR_FILENO) != 0 ? ProgressStyle::tty : ProgressStyle::plain;
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string format_span(Duration span) {
  const auto total = duration_cast<seconds>(span).count();
  if (total >= 3600)
    return fmt::format("{}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
  return fmt::format("{}:{:02}", total / 60, total % 60);
}

std::string format_time_taken(Duration span) {
  if (span >= std::chrono::minutes(1)) return format_span(span);
  return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
}

std::string format_progress(const Progress& progress, Duration elapsed) {
  std::string line = fmt::format("{}  {}", progress.phase, format_span(elapsed));
  const bool bytes_known = progress.bytes_total > 0;
  if (bytes_known)
    line += fmt::format(
        "  {:3} %", std::min<std::uint64_t>(100, progress.bytes_done * 100 / progress.bytes_total));
  if (progress.files_done > 0 || progress.files_total > 0)
    line += fmt::format("  {} files", progress.files_done);
  line += fmt::format("  {}", format_bytes(progress.bytes_done));
  const double rate = seconds_of(elapsed) > 0.1
                          ? static_cast<double>(progress.bytes_done) / seconds_of(elapsed)
                          : 0;
  if (rate > 0) line += fmt::format("  {}/s", format_bytes(static_cast<std::uint64_t>(rate)));
  if (rate > 0 && bytes_known && progress.bytes_done < progress.bytes_total) {
    const double left = static_cast<double>(progress.bytes_total - progress.bytes_done) / rate;
    line += fmt::format("  ETA {}",
                        format_span(duration_cast<Duration>(std::chrono::duration<double>(left))));
  }
  return line;
}

TerminalLog::TerminalLog(Clock& clock, LogOptions options) : clock_(clock), options_(options) {}

TerminalLog::~TerminalLog() {
  MutexLock lock(mutex_);
  clear_line();
}

void TerminalLog::clear_line() {
  if (line_open_) fmt::print(stderr, "\r\033[K");
  line_open_ = false;
}

void TerminalLog::print_message(std::string_view kind, std::string_view message) {
  MutexLock lock(mutex_);
  clear_line();
  if (options_.style == ProgressStyle::json)
    fmt::print(stderr, "{}\n",
               nlohmann::ordered_json{{"v", 1}, {"type", kind}, {"message", message}}.dump(
                   -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  else
    fmt::print(stderr, "{}{}\n", kind == "warning" ? "warning: " : "", message);
}

void TerminalLog::note(std::string_view message) {
  if (!options_.quiet) print_message("note", message);
}

void TerminalLog::warn(std::string_view message) {
  print_message("warning", message);
}

void TerminalLog::progress(const Progress& progress) {
  const bool asked = take_progress_request();
  if (!asked && (options_.quiet || options_.style == ProgressStyle::none)) return;
  const Duration now = clock_.monotonic();
  MutexLock lock(mutex_);
  if (phase_ != progress.phase) {
    phase_ = progress.phase;
    phase_started_ = now;
    last_shown_ = now;
  }
  if (!asked && now - last_shown_ < interval_of(options_.style)) return;
  last_shown_ = now;
  show(progress, now);
}

void TerminalLog::show(const Progress& progress, Duration now) {
  const Duration elapsed = now - phase_started_;
  if (options_.style == ProgressStyle::json) {
    fmt::print(stderr, "{}\n", progress_as_json(progress, elapsed));
  } else if (options_.style == ProgressStyle::tty) {
    fmt::print(stderr, "\r\033[K{}", format_progress(progress, elapsed));
    std::fflush(stderr);
    line_open_ = true;
  } else {
    fmt::print(stderr, "{}\n", format_progress(progress, elapsed));
  }
}

}  // namespace holdfast::cli
