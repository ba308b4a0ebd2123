#include "repo/packer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"
#include "repo/sealing.hpp"

namespace holdfast::repo {
namespace {

// Bytes that follow the blobs of a pack with `count` of them.
constexpr std::size_t trailer_bytes_max(std::size_t count) {
  return count * pack_entry_bytes_max + seal_overhead_bytes + pack_length_field_bytes;
}

}  // namespace

std::size_t Packer::Room::offset() const {
  return static_cast<std::size_t>(bytes_.data() - pack_->buffer.data());
}

void Packer::OpenPack::clear() {
  blobs.clear();
  used = 0;
  hashed = {};
}

Packer::Packer(Context& context, store::Store& store, const MasterKey& key,
               const PackerOptions& options, Stored stored)
    : context_(context), store_(store), key_(key), options_(options), stored_(std::move(stored)) {
  MutexLock lock(mutex_);
  for (std::size_t count = 0; count < options.packs_open; ++count) {
    packs_.push_back(std::make_unique<OpenPack>());
    // Pages are not touched before they are used.
    packs_.back()->buffer.resize(options.pack_bytes + trailer_bytes_max(packed_blobs_max));
  }
}

Packer::~Packer() = default;

bool Packer::fits(const OpenPack& pack, const PackedBlob& blob) const {
  return pack.used + blob.length <= options_.pack_bytes && pack.blobs.size() < packed_blobs_max;
}

// Chance decides, so that the size of a pack does not tell the sizes of a file's chunks.
Packer::OpenPack* Packer::pick_open() {
  const auto is_open = [](const auto& pack) { return pack->state == OpenPack::State::open; };
  const auto open_count = std::count_if(packs_.begin(), packs_.end(), is_open);
  if (open_count == 0) return nullptr;
  auto skip = context_.rng.below(static_cast<std::uint64_t>(open_count));
  for (const auto& pack : packs_)
    if (is_open(pack) && skip-- == 0) return pack.get();
  return nullptr;
}

Packer::Room Packer::take_room(OpenPack& pack, const PackedBlob& blob) {
  Room room;
  room.pack_ = &pack;
  room.bytes_ = MutableByteView(pack.buffer).subspan(pack.used, blob.length);
  pack.blobs.push_back(blob);
  pack.blobs.back().offset = static_cast<std::uint32_t>(pack.used);
  pack.rooms_out.push_back(pack.used);
  pack.used += blob.length;
  return room;
}

Result<Packer::Room> Packer::reserve_own_pack(const PackedBlob& blob) {
  auto pack = std::make_unique<OpenPack>();
  pack->buffer.resize(blob.length + trailer_bytes_max(1));
  MutexLock lock(mutex_);
  if (failure_) return fail(*failure_);
  auto room = take_room(*pack, blob);
  room.own_pack_ = std::move(pack);
  return room;
}

Result<Packer::Room> Packer::reserve(const PackedBlob& blob) {
  if (blob.length > options_.pack_bytes) return reserve_own_pack(blob);
  while (true) {
    OpenPack* full = nullptr;
    {
      MutexLock lock(mutex_);
      OpenPack* pack = pick_open();
      while (pack == nullptr && !failure_) {
        changed_.wait(mutex_);
        pack = pick_open();
      }
      if (failure_) return fail(*failure_);
      if (fits(*pack, blob)) return take_room(*pack, blob);
      full = pack;
      full->state = OpenPack::State::storing;
    }
    TRY(store_and_reopen(*full));
  }
}

Result<std::optional<Packer::Room>> Packer::try_reserve(const PackedBlob& blob) {
  std::optional<Room> room;
  MutexLock lock(mutex_);
  if (failure_) return fail(*failure_);
  OpenPack* const pack = pick_open();
  if (pack != nullptr && fits(*pack, blob)) room = take_room(*pack, blob);
  return room;
}

Result<void> Packer::commit(Room room) {
  {
    MutexLock lock(mutex_);
    std::erase(room.pack_->rooms_out, room.offset());
    if (room.pack_->is_quiet() && room.pack_->state == OpenPack::State::storing)
      changed_.notify_all();
  }
  if (room.own_pack_ != nullptr) return store_and_reopen(*room.own_pack_);
  return {};
}

void Packer::abandon(Room room, const Error& error) {
  MutexLock lock(mutex_);
  if (!failure_) failure_ = error;
  std::erase(room.pack_->rooms_out, room.offset());
  changed_.notify_all();
}

std::vector<Packer::Unhashed> Packer::lend_unhashed() {
  std::vector<Unhashed> lent;
  if (!can_hash_in_parts()) return lent;
  MutexLock lock(mutex_);
  for (const auto& pack : packs_) {
    if (pack->state != OpenPack::State::open || pack->is_lent) continue;
    const auto& out = pack->rooms_out;
    const auto committed = out.empty() ? pack->used : *std::min_element(out.begin(), out.end());
    const auto begin = static_cast<std::size_t>(pack->hashed.bytes);
    const auto bytes = (committed - begin) / sha256_block_bytes * sha256_block_bytes;
    if (bytes < unhashed_bytes_min) continue;
    pack->is_lent = true;
    lent.push_back({pack.get(), ByteView(pack->buffer).subspan(begin, bytes), pack->hashed});
  }
  return lent;
}

void Packer::give_back_hashed(std::span<const Unhashed> hashed) {
  if (hashed.empty()) return;
  MutexLock lock(mutex_);
  for (const auto& part : hashed) {
    part.pack->hashed = part.state;
    part.pack->is_lent = false;
  }
  changed_.notify_all();
}

Result<void> Packer::store_and_reopen(OpenPack& pack) {
  {
    MutexLock lock(mutex_);
    pack.state = OpenPack::State::storing;
    while (!pack.is_quiet()) changed_.wait(mutex_);
    if (failure_) return fail(*failure_);
  }
  auto stored = store_pack(pack);
  MutexLock lock(mutex_);
  if (!stored.has_value() && !failure_) failure_ = stored.error();
  pack.clear();
  pack.state = OpenPack::State::open;
  changed_.notify_all();
  return stored;
}

Result<void> Packer::store_pack(OpenPack& pack) {
  if (pack.blobs.empty()) return {};
  const auto header = encode_pack_header(pack.blobs);
  const auto sealed_bytes = header.size() + seal_overhead_bytes;
  TRY(seal_into(key_, fresh_iv(context_.rng), header,
                MutableByteView(pack.buffer).subspan(pack.used, sealed_bytes)));
  store_le(pack.buffer.data() + pack.used + sealed_bytes, static_cast<std::uint32_t>(sealed_bytes));
  const auto file = ByteView(pack.buffer).first(pack.used + sealed_bytes + pack_length_field_bytes);
  const PackId id{sha256(pack.hashed, file.subspan(pack.hashed.bytes))};
  TRY(store_.put(object_name(id), file, store::Durability::at_sync)
          .while_doing(fmt::format("storing a pack in {}", store_.describe())));
  return stored_(id, pack.blobs);
}

void Packer::merge_open() {
  for (std::size_t at = 1; at < packs_.size(); ++at) {
    OpenPack& into = *packs_.front();
    OpenPack& from = *packs_[at];
    if (into.used + from.used > options_.pack_bytes) continue;
    if (into.blobs.size() + from.blobs.size() > packed_blobs_max) continue;
    std::copy_n(from.buffer.begin(), from.used, into.buffer.data() + into.used);
    for (auto blob : from.blobs) {
      blob.offset += static_cast<std::uint32_t>(into.used);
      into.blobs.push_back(blob);
    }
    into.used += from.used;
    from.clear();
  }
}

Result<void> Packer::flush() {
  std::vector<OpenPack*> packs;
  {
    MutexLock lock(mutex_);
    if (failure_) return fail(*failure_);
    merge_open();
    for (const auto& pack : packs_) packs.push_back(pack.get());
  }
  for (auto* pack : packs) TRY(store_and_reopen(*pack));
  return {};
}

}  // namespace holdfast::repo
