#include "base/clock.hpp"

#include <thread>

namespace holdfast {

WallTime SystemClock::now() {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}
Duration SystemClock::monotonic() {
  return std::chrono::steady_clock::now().time_since_epoch();
}
void SystemClock::sleep_for(Duration span) {
  std::this_thread::sleep_for(span);
}

WallTime SimClock::now() {
  const std::lock_guard lock(mutex_);
  return now_;
}
Duration SimClock::monotonic() {
  const std::lock_guard lock(mutex_);
  return slept_;
}
void SimClock::sleep_for(Duration span) {
  const std::lock_guard lock(mutex_);
  now_ += span;
  slept_ += span;
}

}  // namespace holdfast
