#pragma once
// A store that is used no faster than so many bytes a second, each way. The allowance of one second
// may be used in one burst.
#include "base/clock.hpp"
#include "base/mutex.hpp"
#include "store/store.hpp"

namespace holdfast::store {

// Token bucket. Thread-safe: callers wait their turn without holding each other up.
class ByteRate {
 public:
  ByteRate(Clock& clock, std::uint64_t bytes_per_second)  // 0: no limit
      : clock_(clock), bytes_per_second_(bytes_per_second), paid_until_(clock.monotonic()) {}
  void take(std::uint64_t bytes);  // sleeps as long as the rate demands

 private:
  Clock& clock_;
  const std::uint64_t bytes_per_second_;
  Mutex mutex_;
  Duration paid_until_ GUARDED_BY(mutex_);
};

struct ThrottleLimits {
  std::uint64_t upload_bytes_per_second = 0;
  std::uint64_t download_bytes_per_second = 0;
};

// Thread-safe.
class ThrottledStore final : public Store {
 public:
  ThrottledStore(std::unique_ptr<Store> inner, Clock& clock, ThrottleLimits limits)
      : inner_(std::move(inner)),
        upload_(clock, limits.upload_bytes_per_second),
        download_(clock, limits.download_bytes_per_second) {}

  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition = Condition::none()) override;
  Result<Bytes> get(std::string_view name) override;
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override;
  Result<ObjectInfo> stat(std::string_view name) override { return inner_->stat(name); }
  Result<void> list(std::string_view prefix, const Visitor& visit) override {
    return inner_->list(prefix, visit);
  }
  Result<void> remove(std::string_view name) override { return inner_->remove(name); }
  Result<void> sync() override { return inner_->sync(); }
  Duration listing_lag() const override { return inner_->listing_lag(); }
  std::string describe() const override { return inner_->describe(); }

 private:
  std::unique_ptr<Store> inner_;
  ByteRate upload_;
  ByteRate download_;
};

}  // namespace holdfast::store
