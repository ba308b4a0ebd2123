#include "store/retrying_store.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::store {

bool RetryingStore::may_repeat(const Error& error, int attempt) const {
  return retry_class_of(error.code) == RetryClass::backoff && error.code != ErrorCode::conflict &&
         attempt < policy_.attempts_max && !context_.stop.stop_requested();
}

// Doubles from first_pause to pause_max; half of it is left to chance, so that many clients that
// failed together do not come back together.
void RetryingStore::pause(std::string_view doing, const Error& error, int attempt) {
  Duration span = policy_.first_pause;
  for (int i = 1; i < attempt && span < policy_.pause_max; ++i) span *= 2;
  span = std::min(span, policy_.pause_max);
  const auto half = static_cast<std::uint64_t>(span.count() / 2);
  span = Duration(static_cast<std::int64_t>(half + context_.rng.below(half + 1)));
  context_.log.warn(fmt::format("{} failed, attempt {} of {}: {}", doing, attempt,
                                policy_.attempts_max, holdfast::describe(error)));
  context_.clock.sleep_for(span);
}

template <class Call>
auto RetryingStore::repeat(std::string_view doing, Call&& call) -> decltype(call()) {
  for (int attempt = 1;; ++attempt) {
    auto result = call();
    if (result.has_value() || !may_repeat(result.error(), attempt)) return result;
    pause(doing, result.error(), attempt);
  }
}

bool RetryingStore::holds(std::string_view name, ByteView bytes) {
  const auto stored = get(name);
  return stored.has_value() && std::ranges::equal(*stored, bytes);
}

Result<void> RetryingStore::put(std::string_view name, ByteView bytes, Durability durability,
                                const Condition& condition) {
  int calls = 0;
  auto result = repeat(fmt::format("put {}", name), [&] {
    ++calls;
    return inner_->put(name, bytes, durability, condition);
  });
  if (result.has_value() || calls == 1) return result;
  const ErrorCode code = result.error().code;
  const bool taken = code == ErrorCode::exists || code == ErrorCode::conflict;
  if (taken && holds(name, bytes)) return {};
  return result;
}

Result<Bytes> RetryingStore::get(std::string_view name) {
  return repeat(fmt::format("get {}", name), [&] { return inner_->get(name); });
}

Result<Bytes> RetryingStore::get_range(std::string_view name, std::uint64_t offset,
                                       std::uint64_t length) {
  return repeat(fmt::format("get {}", name),
                [&] { return inner_->get_range(name, offset, length); });
}

Result<ObjectInfo> RetryingStore::stat(std::string_view name) {
  return repeat(fmt::format("stat {}", name), [&] { return inner_->stat(name); });
}

Result<void> RetryingStore::list(std::string_view prefix, const Visitor& visit) {
  bool visited = false;
  const Visitor watching = [&](const ObjectInfo& object) {
    visited = true;
    return visit(object);
  };
  const std::string doing = fmt::format("list \"{}\"", prefix);
  for (int attempt = 1;; ++attempt) {
    auto result = inner_->list(prefix, watching);
    if (result.has_value() || visited || !may_repeat(result.error(), attempt)) return result;
    pause(doing, result.error(), attempt);
  }
}

Result<void> RetryingStore::remove(std::string_view name) {
  return repeat(fmt::format("remove {}", name), [&] { return inner_->remove(name); });
}

Result<void> RetryingStore::sync() {
  return repeat("sync", [&] { return inner_->sync(); });
}

}  // namespace holdfast::store
