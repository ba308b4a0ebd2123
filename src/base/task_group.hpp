#pragma once
// Threads of one scope: joined at wait() or at the end of the scope; the first error is kept and
// asks the others to stop.
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/mutex.hpp"
#include "base/result.hpp"

namespace holdfast {

// One thread owns the group; tasks run on threads of their own.
class TaskGroup {
 public:
  TaskGroup() = default;
  ~TaskGroup() { join(); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void start(std::function<Result<void>(std::stop_token)> task) {
    threads_.emplace_back([this, task = std::move(task)] {
      auto result = task(stop_.get_token());
      if (!result.has_value()) record(std::move(result.error()));
    });
  }

  // Joins all; the first error, if any.
  Result<void> wait() {
    join();
    MutexLock lock(mutex_);
    if (first_error_) return fail(*first_error_);
    return {};
  }

  void request_stop() { stop_.request_stop(); }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  void record(Error error) {
    stop_.request_stop();
    MutexLock lock(mutex_);
    if (!first_error_) first_error_ = std::move(error);
  }
  void join() {
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  std::stop_source stop_;
  std::vector<std::thread> threads_;
  Mutex mutex_;
  std::optional<Error> first_error_ GUARDED_BY(mutex_);
};

}  // namespace holdfast
