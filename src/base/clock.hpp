#pragma once
// Time comes through the door: the only place that asks the operating system what time it is.
#include <chrono>
#include <cstdint>
#include <mutex>

namespace holdfast {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
using Duration = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() = 0;        // may jump
  virtual Duration monotonic() = 0;  // never goes back; origin unspecified
  virtual void sleep_for(Duration span) = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime now() override;
  Duration monotonic() override;
  void sleep_for(Duration span) override;
};

// For tests and simulation: sleeping advances the clock and returns at once.
class SimClock final : public Clock {
 public:
  explicit SimClock(WallTime start) : now_(start) {}
  WallTime now() override;
  Duration monotonic() override;
  void sleep_for(Duration span) override;
  void advance(Duration span) { sleep_for(span); }

 private:
  std::mutex mutex_;
  WallTime now_;
  Duration slept_{};
};

}  // namespace holdfast
