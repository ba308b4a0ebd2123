#pragma once
// A store that repeats what failed for a passing reason (RetryClass::backoff), with exponential
// pauses and jitter, a bounded number of times. All other errors go through at once.
//
// A conditional put whose first answer was lost may find its own object when repeated: equal bytes
// count as success. So bytes that decide who wins must say who wrote them. A listing is repeated
// only while nothing has been visited.
#include "base/context.hpp"
#include "store/store.hpp"

namespace holdfast::store {

struct RetryPolicy {
  int attempts_max = 6;
  Duration first_pause = std::chrono::milliseconds(200);
  Duration pause_max = std::chrono::seconds(10);
};

// Thread-safe. `conflict` is passed through: only the caller knows what to read again.
class RetryingStore final : public Store {
 public:
  RetryingStore(std::unique_ptr<Store> inner, Context context, RetryPolicy policy = {})
      : inner_(std::move(inner)), context_(std::move(context)), policy_(policy) {}

  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition = Condition::none()) override;
  Result<Bytes> get(std::string_view name) override;
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override;
  Result<ObjectInfo> stat(std::string_view name) override;
  Result<void> list(std::string_view prefix, const Visitor& visit) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  Duration listing_lag() const override { return inner_->listing_lag(); }
  std::string describe() const override { return inner_->describe(); }

 private:
  template <class Call>
  auto repeat(std::string_view doing, Call&& call) -> decltype(call());
  bool may_repeat(const Error& error, int attempt) const;
  void pause(std::string_view doing, const Error& error, int attempt);
  bool holds(std::string_view name, ByteView bytes);

  std::unique_ptr<Store> inner_;
  Context context_;
  RetryPolicy policy_;
};

}  // namespace holdfast::store
