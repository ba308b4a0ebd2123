#pragma once
// Verification of a whole repository: is everything there, and is every byte what it was?
//
//   read_back  the config, every key, lock, snapshot and index file is read and authenticated;
//              every pack the index names exists, has the right size and a header that agrees;
//              every tree is read, every blob that a snapshot reaches is in the index.
//   decrypt    and every byte of every pack: its hash against its name, each blob opened,
//              decompressed and hashed. A flipped bit anywhere in the repository is found.
//
// Also the oracle at the end of tests that write. Reads only, but for the lock it may take.
#include "repo/lock.hpp"
#include "verify/report.hpp"

namespace holdfast::verify {

enum class Level : std::uint8_t { read_back, decrypt };

struct CheckOptions {
  Level level = Level::read_back;
  // Packs are divided among `share_count` runs by their id; this is run number `share`, from 1.
  std::uint32_t share = 1;
  std::uint32_t share_count = 1;
  unsigned threads = 0;                   // 0: one for each processor, at most threads_max
  std::optional<repo::LockOptions> lock;  // taken after opening, held to the end
};
constexpr unsigned threads_max = 16;

// Opens the repository without any cache. Errors: no_repository, wrong_key (with no damaged key
// file to blame), locked, usage (a share that does not exist), interrupted, and a store that can
// not be reached; everything else is a finding. Memory: a few dozen bytes for each blob of the
// index (mapped), 64 for each pack, and 32 MiB for each thread.
Result<Report> check_repository(Context& context, store::Store& store, const Secret& password,
                                const CheckOptions& options = {});

}  // namespace holdfast::verify
