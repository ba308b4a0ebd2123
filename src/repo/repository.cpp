#include "repo/repository.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/blob_reader.hpp"
#include "repo/layout.hpp"
#include "repo/sealing.hpp"
#include "repo/tree.hpp"
#include "repo/unpacked.hpp"

namespace holdfast::repo {
namespace {

// Index files may vanish between listing and reading when somebody prunes: then list again.
constexpr int index_listings_max = 5;
// The config is read whole before it is authenticated; rustic's is below 1 KiB.
constexpr std::size_t config_sealed_bytes_max = config_json_bytes_max + seal_overhead_bytes;

Result<bool> exists(store::Store& store, std::string_view name) {
  const auto found = store.stat(name);
  if (found.has_value()) return true;
  if (found.error().code == ErrorCode::not_found) return false;
  return fail(found.error());
}

tl::unexpected<Error> already_there(store::Store& store, std::string_view what) {
  return fail(ErrorCode::exists, fmt::format("{} already holds {}", store.describe(), what));
}

// The key of an init that died before the config, or a new one.
Result<OpenedKey> first_key(Context& context, store::Store& store, const Secret& password,
                            const InitOptions& options) {
  const auto keys = TRY(list_ids<KeyId>(store, keys_prefix));
  if (!keys.empty()) {
    auto opened = open_with_password(context, store, password);
    if (opened.has_value()) return std::move(*opened);
    return already_there(store, "a key that this password does not open, but no config");
  }
  const auto master = random_master_key(context.rng);
  const auto id = TRY(add_key(context, store, master, password, options));
  return OpenedKey{id, master};
}

Result<ConfigFile> load_config(store::Store& store, const MasterKey& master) {
  const auto sealed = TRY(store.get(config_name));
  if (sealed.size() > config_sealed_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("config has {} bytes", sealed.size()));
  auto json = unseal(master, sealed);
  if (!json.has_value())
    return fail(ErrorCode::corrupt, "the config is damaged, or sealed with another key");
  return decode_config(*json).while_doing("reading the config");
}

}  // namespace

Repository::Repository(Context& context, store::Store& store, OpenedKey key, ConfigFile config,
                       OpenOptions options)
    : context_(&context),
      store_(&store),
      key_(std::move(key)),
      config_(std::move(config)),
      options_(std::move(options)) {}

Result<Repository> Repository::init(Context& context, store::Store& store, const Secret& password,
                                    const InitOptions& options) {
  const bool has_config = TRY(exists(store, config_name));
  if (has_config) return already_there(store, "a repository");
  const auto snapshots = TRY(list_ids<SnapshotId>(store, snapshots_prefix));
  if (!snapshots.empty()) return already_there(store, "snapshots, but no config");
  auto key = TRY(first_key(context, store, password, options));

  auto config = TRY(make_config(context.rng));
  const auto sealed = TRY(seal(key.master, context.rng, encode_config(config)));
  TRY(store.put(config_name, sealed, store::Durability::immediate, store::Condition::if_absent()));
  return Repository(context, store, std::move(key), std::move(config), {});
}

Result<Repository> Repository::open(Context& context, store::Store& store, const Secret& password,
                                    const OpenOptions& options) {
  const bool has_config = TRY(exists(store, config_name));
  if (!has_config)
    return fail(ErrorCode::no_repository,
                fmt::format("{} is not a repository: there is no config", store.describe()));
  auto key = TRY(open_with_password(context, store, password));
  auto config = TRY(load_config(store, key.master));
  return Repository(context, store, std::move(key), std::move(config), options);
}

Result<IndexCache::Loaded> Repository::read_index(DamagedIndexFiles on_damage) const {
  IndexCache cache(options_.cache_directory, config_.id);
  const LoadIndexFile load = [this](const IndexId& id) { return load_unpacked(id); };
  for (int listing = 1;; ++listing) {
    auto present = TRY(list_ids<IndexId>(*store_, indexes_prefix));
    std::sort(present.begin(), present.end());
    auto loaded = cache.load(context_->log, present, load, on_damage);
    const bool vanished = !loaded.has_value() && loaded.error().code == ErrorCode::not_found;
    if (!vanished || listing == index_listings_max) return loaded;
  }
}

Result<void> Repository::load_index(DamagedIndexFiles on_damage) {
  auto loaded = TRY(read_index(on_damage));
  const IndexCache cache(options_.cache_directory, config_.id);
  index_ = std::make_unique<Index>(std::move(loaded.index), cache.scratch());
  skipped_index_files_ = std::move(loaded.skipped);
  return {};
}

Result<Bytes> Repository::load_blob(const BlobHandle& handle) const {
  BlobReader reader(*this);
  const auto plain = TRY(reader.load(handle));
  return to_bytes(plain);
}

Result<std::vector<Node>> Repository::load_tree(const BlobId& id) const {
  BlobReader reader(*this);
  const auto plain = TRY(reader.load({BlobType::tree, id}));
  return decode_tree(plain).while_doing(fmt::format("reading tree {}", id.short_hex()));
}

template <class IdType>
Result<Bytes> Repository::load_object(const IdType& id) const {
  const auto name = object_name(id);
  const auto sealed = TRY(store_->get(name));
  if (sealed.empty()) return Bytes{};  // an interrupted upload; only locks are allowed that
  if (sha256(sealed) != id.bytes)
    return fail(ErrorCode::corrupt,
                fmt::format("{} is damaged: its name is not the hash of its bytes", name));
  auto payload = unseal(key_.master, sealed);
  if (!payload.has_value()) return fail(ErrorCode::corrupt, fmt::format("{} is damaged", name));
  Decompressor decompressor;
  return decode_unpacked(*payload, config_.version, decompressor).while_doing("reading " + name);
}

template <class IdType>
Result<IdType> Repository::save_object(ByteView json, store::Durability durability) const {
  Compressor compressor;
  const auto payload = TRY(encode_unpacked(json, config_.version, compressor));
  const auto sealed = TRY(seal(key_.master, context_->rng, payload));
  const IdType id{sha256(sealed)};
  TRY(store_->put(object_name(id), sealed, durability));
  return id;
}

Result<Bytes> Repository::load_unpacked(const SnapshotId& id) const {
  return load_object(id);
}
Result<Bytes> Repository::load_unpacked(const IndexId& id) const {
  return load_object(id);
}
Result<Bytes> Repository::load_unpacked(const LockId& id) const {
  return load_object(id);
}
std::shared_ptr<const Repository::MayWrite> Repository::guard_writes(MayWrite may_write) const {
  auto token = std::make_shared<const MayWrite>(std::move(may_write));
  MutexLock lock(write_guards_->mutex);
  std::erase_if(write_guards_->asked, [](const auto& asked) { return asked.expired(); });
  write_guards_->asked.push_back(token);
  return token;
}

Result<void> Repository::check_may_write() const {
  std::vector<std::shared_ptr<const MayWrite>> asked;
  {
    MutexLock lock(write_guards_->mutex);
    for (const auto& guard : write_guards_->asked)
      if (auto alive = guard.lock()) asked.push_back(std::move(alive));
  }
  for (const auto& may_write : asked) TRY((*may_write)());
  return {};
}

Result<IndexId> Repository::save_index(ByteView json, store::Durability durability) const {
  TRY(check_may_write());
  return save_object<IndexId>(json, durability);
}
Result<LockId> Repository::save_lock(ByteView json) const {
  return save_object<LockId>(json, store::Durability::immediate);
}

Result<SnapshotId> Repository::publish_snapshot(const Snapshot& snapshot) const {
  TRY(store_->sync());
  TRY(check_may_write());
  return save_object<SnapshotId>(encode_snapshot(snapshot), store::Durability::immediate);
}

Result<void> Repository::remove_snapshot(const SnapshotId& id) const {
  TRY(store_->remove(object_name(id)));
  return store_->sync();
}

Result<std::vector<PackedBlob>> Repository::load_pack_header(const PackId& id,
                                                             std::uint64_t pack_bytes) const {
  const auto name = object_name(id);
  if (pack_bytes < pack_length_field_bytes)
    return fail(ErrorCode::corrupt, fmt::format("{} has {} bytes only", name, pack_bytes));
  const auto tail_bytes = std::min<std::uint64_t>(pack_bytes, pack_tail_guess_bytes);
  const auto tail = TRY(store_->get_range(name, pack_bytes - tail_bytes, tail_bytes));
  const auto place = TRY(locate_pack_header(tail, pack_bytes).while_doing("reading " + name));
  Bytes sealed;
  const auto tail_begin = pack_bytes - tail_bytes;
  if (place.offset >= tail_begin)
    sealed = to_bytes(ByteView(tail).subspan(place.offset - tail_begin, place.sealed_bytes));
  else
    sealed = TRY(store_->get_range(name, place.offset, place.sealed_bytes));
  auto plain = unseal(key_.master, sealed);
  if (!plain.has_value())
    return fail(ErrorCode::corrupt, fmt::format("the header of {} is damaged", name));
  return decode_pack_header(*plain, place).while_doing("reading the header of " + name);
}

}  // namespace holdfast::repo
