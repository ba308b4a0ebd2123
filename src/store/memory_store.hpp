#pragma once
// A store in memory, for tests and simulation. What is not synced is invisible and can be dropped,
// as a power cut would.
#include <map>

#include "base/mutex.hpp"
#include "store/store.hpp"

namespace holdfast::store {

// Thread-safe.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(Clock& clock) : clock_(clock) {}

  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition = Condition::none()) override;
  Result<Bytes> get(std::string_view name) override;
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override;
  Result<ObjectInfo> stat(std::string_view name) override;
  Result<void> list(std::string_view prefix, const Visitor& visit) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  std::string describe() const override { return "memory"; }

  void drop_unsynced();

 private:
  struct Object {
    Bytes bytes;
    WallTime modified{};
    std::uint64_t version = 0;
  };
  using Objects = std::map<std::string, Object, std::less<>>;

  Clock& clock_;
  Mutex mutex_;
  Objects objects_ GUARDED_BY(mutex_);
  Objects unsynced_ GUARDED_BY(mutex_);
  std::uint64_t next_version_ GUARDED_BY(mutex_) = 1;
};

}  // namespace holdfast::store
