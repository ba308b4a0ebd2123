#pragma once
// A bounded queue between threads of one job. Thread-safe.
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.hpp"

namespace holdfast {

template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}

  // Waits while full. False when the channel was closed: the item was not taken.
  bool push(T item) {
    MutexLock lock(mutex_);
    while (items_.size() >= capacity_ && !closed_) room_.wait(mutex_);
    if (closed_) return false;
    items_.push_back(std::move(item));
    ready_.notify_one();
    return true;
  }

  // Waits while empty. Nothing when the channel is closed and drained.
  std::optional<T> pop() {
    MutexLock lock(mutex_);
    while (items_.empty() && !closed_) ready_.wait(mutex_);
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    room_.notify_one();
    return item;
  }

  void close() {
    MutexLock lock(mutex_);
    closed_ = true;
    ready_.notify_all();
    room_.notify_all();
  }

 private:
  const std::size_t capacity_;
  Mutex mutex_;
  CondVar ready_;
  CondVar room_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast
