#include "store/throttled_store.hpp"

#include <algorithm>

namespace holdfast::store {
namespace {

constexpr Duration burst = std::chrono::seconds(1);

}  // namespace

void ByteRate::take(std::uint64_t bytes) {
  if (bytes_per_second_ == 0 || bytes == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
  const Duration cost(static_cast<std::int64_t>(seconds * 1e9));
  Duration wait{};
  {
    MutexLock lock(mutex_);
    const Duration now = clock_.monotonic();
    paid_until_ = std::max(paid_until_, now - burst) + cost;
    wait = paid_until_ - now;
  }
  if (wait > Duration::zero()) clock_.sleep_for(wait);
}

Result<void> ThrottledStore::put(std::string_view name, ByteView bytes, Durability durability,
                                 const Condition& condition) {
  upload_.take(bytes.size());
  return inner_->put(name, bytes, durability, condition);
}

// What arrives is paid for afterwards: its size is not known before.
Result<Bytes> ThrottledStore::get(std::string_view name) {
  auto bytes = inner_->get(name);
  if (bytes.has_value()) download_.take(bytes->size());
  return bytes;
}

Result<Bytes> ThrottledStore::get_range(std::string_view name, std::uint64_t offset,
                                        std::uint64_t length) {
  auto bytes = inner_->get_range(name, offset, length);
  if (bytes.has_value()) download_.take(bytes->size());
  return bytes;
}

}  // namespace holdfast::store
