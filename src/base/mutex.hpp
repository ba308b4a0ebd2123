#pragma once
// std::mutex with clang's thread-safety annotations: an access without the lock does not compile.
#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HOLDFAST_ANNOTATE(x) __attribute__((x))
#else
#define HOLDFAST_ANNOTATE(x)
#endif
#define CAPABILITY(x) HOLDFAST_ANNOTATE(capability(x))
#define SCOPED_CAPABILITY HOLDFAST_ANNOTATE(scoped_lockable)
#define GUARDED_BY(x) HOLDFAST_ANNOTATE(guarded_by(x))
#define REQUIRES_LOCK(...) HOLDFAST_ANNOTATE(requires_capability(__VA_ARGS__))
#define ACQUIRES(...) HOLDFAST_ANNOTATE(acquire_capability(__VA_ARGS__))
#define RELEASES(...) HOLDFAST_ANNOTATE(release_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS HOLDFAST_ANNOTATE(no_thread_safety_analysis)

namespace holdfast {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRES() { mutex_.lock(); }
  void unlock() RELEASES() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRES(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASES() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits release the mutex and take it again; always wait in a loop over the condition.
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES_LOCK(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Waits no longer than `span` of real time.
  void wait_for(Mutex& mutex, std::chrono::nanoseconds span)
      REQUIRES_LOCK(mutex) NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, span);
    lock.release();
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace holdfast
