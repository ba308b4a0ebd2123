#pragma once
// What every use case gets passed: time, chance, messages, and the wish to stop.
#include <stop_token>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "base/rng.hpp"

namespace holdfast {

// Holds references; must not outlive what it refers to. Thread-safe as its parts are.
struct Context {
  Clock& clock;
  Rng& rng;
  Log& log;
  std::stop_token stop;  // Ctrl-C once: finish the pack, then return ErrorCode::interrupted

  Result<void> check_stop() const {
    if (stop.stop_requested()) return fail(ErrorCode::interrupted, "interrupted");
    return {};
  }
};

}  // namespace holdfast
