#pragma once
// A log that remembers what was said, so that a test can ask for it.
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"

namespace holdfast::test {

// Thread-safe.
class RecordingLog final : public Log {
 public:
  void note(std::string_view message) override { keep(message); }
  void warn(std::string_view message) override { keep(message); }

  bool mentions(std::string_view words) const {
    MutexLock lock(mutex_);
    for (const auto& message : messages_)
      if (message.find(words) != std::string::npos) return true;
    return false;
  }
  std::size_t count() const {
    MutexLock lock(mutex_);
    return messages_.size();
  }

 private:
  void keep(std::string_view message) {
    MutexLock lock(mutex_);
    messages_.emplace_back(message);
  }
  mutable Mutex mutex_;
  std::vector<std::string> messages_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::test
