#pragma once
// Open packs: blobs of many threads are placed side by side in a few buffers, and a full buffer is
// stored as a pack file by the thread that found it full (docs/repository_format.md A6).
//
// A thread reserves room, seals its blob right there without any lock, and commits. Memory is the
// fixed number of buffers; when all of them are being stored, reserve waits.
#include <functional>
#include <optional>

#include "base/context.hpp"
#include "base/mutex.hpp"
#include "repo/cipher.hpp"
#include "repo/pack_header.hpp"
#include "repo/sha256.hpp"
#include "store/store.hpp"

namespace holdfast::repo {

// Keeps what must be remembered of an open pack small (1 MiB).
constexpr std::size_t packed_blobs_max = 16384;
// Less than this is not worth lending.
constexpr std::size_t unhashed_bytes_min = std::size_t{64} << 10;

struct PackerOptions {
  BlobType type = BlobType::data;
  std::size_t pack_bytes = 0;  // of all sealed blobs in one pack
  std::size_t packs_open = 1;
};

// Thread-safe. Refers to what it is made with, which must outlive it.
class Packer {
 public:
  // Called after a pack was put, by the thread that stored it. The pack is not durable yet.
  using Stored =
      std::function<Result<void>(const PackId& id, const std::vector<PackedBlob>& blobs)>;

  Packer(Context& context, store::Store& store, const MasterKey& key, const PackerOptions& options,
         Stored stored);
  ~Packer();

  // Room for one sealed blob in a pack chosen by chance. Move-only.
  class Room;
  struct OpenPack;
  // `blob.length` bytes; `blob.offset` is ignored. May store a full pack first, and wait for the
  // rooms of other threads in it. The caller fills the room, and commits it and all others it has
  // before it reserves again. A blob above pack_bytes gets its own pack. Errors: those of a pack
  // that could not be stored, now or before.
  Result<Room> reserve(const PackedBlob& blob);
  // The same, but never waits and stores nothing: no room if the pack that chance chose is full.
  // The caller may have other rooms.
  Result<std::optional<Room>> try_reserve(const PackedBlob& blob);
  Result<void> commit(Room room);
  // What is in the room must not be stored: everything from now on fails with `error`.
  void abandon(Room room, const Error& error);

  // A pack's name is the hash of all its bytes. What is committed is lent to one thread at a time,
  // which hashes it beside other messages and gives it back before it waits for anything; what was
  // not hashed so is hashed alone when the pack is stored.
  struct Unhashed {
    OpenPack* pack = nullptr;
    ByteView blocks;
    Sha256Midstate state;
  };
  std::vector<Unhashed> lend_unhashed();
  void give_back_hashed(std::span<const Unhashed> hashed);

  // Stores what is open. Leftovers that fit into one pack are merged, so that the sizes of a lone
  // file's chunks can not be read off. REQUIRES: no rooms are out.
  Result<void> flush();

 private:
  bool fits(const OpenPack& pack, const PackedBlob& blob) const;
  OpenPack* pick_open() REQUIRES_LOCK(mutex_);
  void merge_open() REQUIRES_LOCK(mutex_);
  Room take_room(OpenPack& pack, const PackedBlob& blob) REQUIRES_LOCK(mutex_);
  Result<Room> reserve_own_pack(const PackedBlob& blob);
  // Takes the pack out of use, waits for its rooms, stores it, and opens it again.
  Result<void> store_and_reopen(OpenPack& pack);
  Result<void> store_pack(OpenPack& pack);

  Context& context_;
  store::Store& store_;
  const MasterKey& key_;
  const PackerOptions options_;
  const Stored stored_;

  Mutex mutex_;
  CondVar changed_;
  std::vector<std::unique_ptr<OpenPack>> packs_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

// A pack that is being filled. Everything is guarded by the packer's mutex, but for the bytes of
// rooms, which belong to the threads that reserved them.
struct Packer::OpenPack {
  enum class State : std::uint8_t { open, storing };
  State state = State::open;
  Bytes buffer;
  std::size_t used = 0;                // bytes of sealed blobs
  std::vector<std::size_t> rooms_out;  // offsets of those that are not committed
  std::vector<PackedBlob> blobs;
  Sha256Midstate hashed;  // the first hashed.bytes of the buffer
  bool is_lent = false;   // a thread hashes what follows

  bool is_quiet() const { return rooms_out.empty() && !is_lent; }
  void clear();
};

class Packer::Room {
 public:
  MutableByteView bytes() const { return bytes_; }

 private:
  friend class Packer;
  std::size_t offset() const;

  OpenPack* pack_ = nullptr;
  std::unique_ptr<OpenPack> own_pack_;  // of a blob above pack_bytes
  MutableByteView bytes_;
};

}  // namespace holdfast::repo
