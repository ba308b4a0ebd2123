#include "store/metered_store.hpp"

namespace holdfast::store {

std::uint64_t StoreMeter::calls() const {
  std::uint64_t total = 0;
  for (const auto& meter : by_call) total += meter.calls;
  return total;
}

StoreMeter MeteredStore::meter() const {
  StoreMeter meter;
  for (std::size_t i = 0; i < store_call_count; ++i)
    meter.by_call[i] = {counters_[i].calls, counters_[i].failures, counters_[i].bytes};
  return meter;
}

void MeteredStore::count(StoreCall call, bool succeeded, std::uint64_t bytes) {
  auto& counters = counters_[static_cast<std::size_t>(call)];
  ++counters.calls;
  if (succeeded)
    counters.bytes += bytes;
  else
    ++counters.failures;
}

Result<void> MeteredStore::put(std::string_view name, ByteView bytes, Durability durability,
                               const Condition& condition) {
  auto result = inner_->put(name, bytes, durability, condition);
  count(StoreCall::put, result.has_value(), bytes.size());
  return result;
}

Result<Bytes> MeteredStore::get(std::string_view name) {
  auto result = inner_->get(name);
  count(StoreCall::get, result.has_value(), result.has_value() ? result->size() : 0);
  return result;
}

Result<Bytes> MeteredStore::get_range(std::string_view name, std::uint64_t offset,
                                      std::uint64_t length) {
  auto result = inner_->get_range(name, offset, length);
  count(StoreCall::get_range, result.has_value(), result.has_value() ? result->size() : 0);
  return result;
}

Result<ObjectInfo> MeteredStore::stat(std::string_view name) {
  auto result = inner_->stat(name);
  count(StoreCall::stat, result.has_value(), 0);
  return result;
}

Result<void> MeteredStore::list(std::string_view prefix, const Visitor& visit) {
  auto result = inner_->list(prefix, visit);
  count(StoreCall::list, result.has_value(), 0);
  return result;
}

Result<void> MeteredStore::remove(std::string_view name) {
  auto result = inner_->remove(name);
  count(StoreCall::remove, result.has_value(), 0);
  return result;
}

Result<void> MeteredStore::sync() {
  auto result = inner_->sync();
  count(StoreCall::sync, result.has_value(), 0);
  return result;
}

}  // namespace holdfast::store
