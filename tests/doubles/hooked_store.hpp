#pragma once
// A borrowed store that lets a test act at a chosen moment: right before something is removed or
// put.
#include <functional>

#include "store/store.hpp"

namespace holdfast::test {

// One thread; refers to `inner`. Hooks may use the inner store.
class HookedStore final : public store::Store {
 public:
  explicit HookedStore(store::Store& inner) : inner_(inner) {}

  std::function<void(std::string_view name)> before_remove;
  std::function<void(std::string_view name)> before_put;

  Result<void> put(std::string_view name, ByteView bytes, store::Durability durability,
                   const store::Condition& condition = store::Condition::none()) override {
    if (before_put) before_put(name);
    return inner_.put(name, bytes, durability, condition);
  }
  Result<Bytes> get(std::string_view name) override { return inner_.get(name); }
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override {
    return inner_.get_range(name, offset, length);
  }
  Result<store::ObjectInfo> stat(std::string_view name) override { return inner_.stat(name); }
  Result<void> list(std::string_view prefix, const Visitor& visit) override {
    return inner_.list(prefix, visit);
  }
  Result<void> remove(std::string_view name) override {
    if (before_remove) before_remove(name);
    return inner_.remove(name);
  }
  Result<void> sync() override { return inner_.sync(); }
  Duration listing_lag() const override { return inner_.listing_lag(); }
  std::string describe() const override { return inner_.describe(); }

 private:
  store::Store& inner_;
};

}  // namespace holdfast::test
