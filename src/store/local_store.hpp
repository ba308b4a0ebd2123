#pragma once
// A store that is a directory, in restic's local layout and with its habits
// (docs/repository_format.md A12): an object is written under a temporary name in its directory,
// made durable, renamed, and is read-only (0400; group readable when `config` is).
//
// Objects put with Durability::at_sync keep their temporary name until sync(): what has its own
// name is always whole and durable. A put with a condition is carried out at once. A failed fsync
// is final: every later sync() of this object fails, because the kernel forgets such an error.
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/file.hpp"
#include "base/mutex.hpp"
#include "store/store.hpp"

namespace holdfast::store {

// More unsynced files than this are not kept open: the oldest is synced ahead of the barrier.
constexpr std::size_t unsynced_files_open_max = 64;
// A temporary file untouched for so long belongs to a dead run: list() removes it.
constexpr std::chrono::hours temporary_age_max{24};
// Nothing in the format is larger than a pack, and offsets in a pack have 32 bits.
constexpr std::uint64_t object_bytes_max = std::uint64_t{4} << 30;

// Thread-safe. Several processes may work on one directory.
class LocalStore final : public Store {
 public:
  // store_unreachable when the directory does not exist.
  static Result<std::unique_ptr<LocalStore>> open(const std::filesystem::path& root);
  // Makes the directory (0700) first when it is missing.
  static Result<std::unique_ptr<LocalStore>> create(const std::filesystem::path& root);
  // Through open() or create() only.
  struct Private {
    explicit Private() = default;
  };
  LocalStore(Private, std::filesystem::path root, Fd directory);
  ~LocalStore() override;  // what was not synced is dropped

  Result<void> put(std::string_view name, ByteView bytes, Durability durability,
                   const Condition& condition = Condition::none()) override;
  Result<Bytes> get(std::string_view name) override;
  Result<Bytes> get_range(std::string_view name, std::uint64_t offset,
                          std::uint64_t length) override;
  Result<ObjectInfo> stat(std::string_view name) override;
  Result<void> list(std::string_view prefix, const Visitor& visit) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  std::string describe() const override;

 private:
  struct Unsynced {
    std::string temporary;
    Fd file;  // closed once durable
    bool durable = false;
    std::uint64_t order = 0;
  };
  using UnsyncedByName = std::map<std::string, Unsynced, std::less<>>;

  bool root_is_gone() const;
  tl::unexpected<Error> failure(std::string_view doing, std::string_view name,
                                int error_number) const;
  Result<Unsynced> write_temporary(std::string_view name, ByteView bytes);
  Result<void> fill_temporary(Unsynced& file, ByteView bytes);
  Result<void> make_parents(std::string_view name);
  Result<void> make_durable(Unsynced& file);
  Result<void> keep_until_sync(std::string_view name, Unsynced file);
  Result<void> publish(std::string_view name, Unsynced file, const Condition& condition);
  Result<void> rename_if_absent(const std::string& temporary, std::string_view name);
  Result<void> rename_if_version(const std::string& temporary, std::string_view name,
                                 const std::string& version);
  Result<void> sync_files(UnsyncedByName& files);
  Result<void> sync_directory(const std::string& directory);
  Result<void> sync_ancestors(std::string_view name);
  void forget_unsynced(std::string_view name);
  void discard(const std::string& temporary) const;
  Result<void> walk(const std::string& directory, std::string_view prefix, const Visitor& visit,
                    std::size_t depth);
  Result<void> visit_entry(std::string full, std::string_view prefix, const Visitor& visit,
                           std::size_t depth);

  const std::filesystem::path root_;
  const Fd directory_;
  unsigned file_mode_ = 0400;
  unsigned directory_mode_ = 0700;

  Mutex sync_mutex_;     // one barrier at a time: the second waits for the first
  Mutex version_mutex_;  // conditional replacement within this process
  Mutex mutex_;
  UnsyncedByName unsynced_ GUARDED_BY(mutex_);
  std::set<std::string> changed_directories_ GUARDED_BY(mutex_);  // fsync at the next barrier
  std::uint64_t next_order_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> lost_ GUARDED_BY(mutex_);  // a failed fsync
};

}  // namespace holdfast::store
