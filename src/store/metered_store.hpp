#pragma once
// A store that counts: calls, failures and bytes of each operation, for reports, cost estimates and
// tests ("the second backup reads no pack").
#include <array>
#include <atomic>

#include "store/store.hpp"
#include "store/store_call.hpp"

namespace holdfast::store {

struct CallMeter {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes = 0;  // put: sent; get, get_range: received
};

struct StoreMeter {
  std::array<CallMeter, store_call_count> by_call{};

  const CallMeter& of(StoreCall call) const { return by_call[static_cast<std::size_t>(call)]; }
  std::uint64_t calls() const;
  std::uint64_t bytes_sent() const { return of(StoreCall::put).bytes; }
  std::uint64_t bytes_received() const {
    return of(StoreCall::get).bytes + of(StoreCall::get_range).bytes;
  }
};

// Thread-safe.
class MeteredStore final : public Store {
 public:
  explicit MeteredStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}

  StoreMeter meter() const;  // each number is exact; they are read one after the other

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
  struct Counters {
    std::atomic<std::uint64_t> calls{0};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> bytes{0};
  };
  void count(StoreCall call, bool succeeded, std::uint64_t bytes);

  std::unique_ptr<Store> inner_;
  std::array<Counters, store_call_count> counters_;
};

}  // namespace holdfast::store
