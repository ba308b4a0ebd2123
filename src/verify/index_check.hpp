#pragma once
// Reads every index file and compares what it says about each pack with the pack itself: that it
// exists, its size, and its own header.
#include "base/channel.hpp"
#include "verify/check.hpp"
#include "verify/findings.hpp"
#include "verify/pack_table.hpp"

namespace holdfast::verify {

// Packs decoded ahead of the threads that look into them.
constexpr std::size_t indexed_packs_waiting_max = 16;

// One thread owns it; work is done by `threads` of its own.
class IndexCheck {
 public:
  IndexCheck(const repo::Repository& repository, const CheckOptions& options, PackTable& packs,
             Findings& findings)
      : repository_(repository), options_(options), packs_(packs), findings_(findings) {}

  // How many index files were read.
  Result<std::uint64_t> run(unsigned threads);

 private:
  struct Entry {
    std::string index_file;  // its name in the store
    repo::IndexedPack pack;
  };

  Result<std::uint64_t> read_files(Channel<Entry>& entries);
  Result<void> read_file(const repo::IndexId& id, Channel<Entry>& entries);
  Result<void> check(const Entry& entry);
  Result<std::optional<PackFile>> find_file(const Entry& entry);
  Result<void> compare_header(const Entry& entry, const PackFile& file);
  void report_wrong(const Entry& entry, std::string message);
  void report_missing(const Entry& entry);

  const repo::Repository& repository_;
  const CheckOptions& options_;
  PackTable& packs_;
  Findings& findings_;
};

}  // namespace holdfast::verify
