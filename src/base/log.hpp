#pragma once
// Messages for a person and progress for a terminal. Lower layers report here; only cli/ decides
// how it looks (bar, line a minute, or JSON lines). Data goes to stdout elsewhere, never here.
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// What a long run has done so far. Unknown totals are 0.
struct Progress {
  std::string_view phase;  // "backup", "restore", "verify": a literal
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
};

// Thread-safe.
class Log {
 public:
  virtual ~Log() = default;
  virtual void note(std::string_view message) = 0;        // worth knowing
  virtual void warn(std::string_view message) = 0;        // something is off, work goes on
  virtual void progress(const Progress& /*progress*/) {}  // cheap; call as often as you like
};

class NullLog final : public Log {
 public:
  void note(std::string_view) override {}
  void warn(std::string_view) override {}
};

}  // namespace holdfast
