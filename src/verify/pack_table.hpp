#pragma once
// The packs of a repository as the store lists them, with what was learnt about each.
#include <atomic>
#include <memory>
#include <vector>

#include "verify/pack_check.hpp"

namespace holdfast::verify {

// Immutable after make but for the flags, which are atomic: thread-safe.
class PackTable {
 public:
  enum Flag : std::uint8_t { indexed = 1, header_reported = 2 };

  static Result<PackTable> make(store::Store& store);

  std::size_t size() const { return packs_.size(); }
  const PackFile& at(std::size_t number) const { return packs_[number]; }
  std::optional<std::size_t> find(const repo::PackId& id) const;
  bool has(std::size_t number, Flag flag) const { return (flags_[number].load() & flag) != 0; }
  void set(std::size_t number, Flag flag) { flags_[number].fetch_or(flag); }

 private:
  std::vector<PackFile> packs_;  // sorted by id
  std::unique_ptr<std::atomic<std::uint8_t>[]> flags_;
};

// Whether this run of `share_count` has to look into the pack.
bool is_in_share(const repo::PackId& id, std::uint32_t share, std::uint32_t share_count);

}  // namespace holdfast::verify
