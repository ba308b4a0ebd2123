#pragma once
// An opened repository: the keys and settings of one encrypted store, and reading from it
// (docs/repository_format.md). Writing blobs is the Writer's (writer.hpp).
#include <filesystem>

#include "base/context.hpp"
#include "repo/cipher.hpp"
#include "repo/config_file.hpp"
#include "repo/index.hpp"
#include "repo/index_cache.hpp"
#include "repo/keyring.hpp"
#include "repo/sha256.hpp"
#include "repo/snapshot.hpp"
#include "store/store.hpp"

namespace holdfast::repo {

using InitOptions = KeyOptions;

struct OpenOptions {
  // Where index caches are kept, one folder per repository; without it a temporary file is used.
  std::optional<std::filesystem::path> cache_directory;
};

struct StoredSnapshot {
  SnapshotId id;
  Snapshot snapshot;
};
struct SnapshotListing {
  std::vector<StoredSnapshot> snapshots;  // oldest first
  std::vector<Error> unreadable;          // each message names the snapshot
};

// Movable, not copyable. Refers to the Context and the Store, which must outlive it. After
// load_index() returned, everything but load_index() is thread-safe.
class Repository {
 public:
  // Makes a repository of format 2. The key goes first, the config last: it is what makes the
  // repository exist. Errors: exists (a config or a snapshot is there, or a key that this password
  // does not open: such a key of an init that died is taken over).
  static Result<Repository> init(Context& context, store::Store& store, const Secret& password,
                                 const InitOptions& options = {});
  // Errors: no_repository, wrong_key, corrupt, unsupported (a later format).
  static Result<Repository> open(Context& context, store::Store& store, const Secret& password,
                                 const OpenOptions& options = {});

  Context& context() const { return *context_; }
  store::Store& store() const { return *store_; }
  const ConfigFile& config() const { return config_; }
  const OpenedKey& key() const { return key_; }

  // Reads what the repository has in its packs: list snapshots before this, so that every
  // snapshot's blobs are in it (A13). Calling again sees what others added or removed; references
  // to the Index of before are then invalid. With `skip`, damaged index files are warned of and
  // left out: good for reading what is left, never for deleting.
  Result<void> load_index(DamagedIndexFiles on_damage = DamagedIndexFiles::fail);
  const std::vector<IndexId>& skipped_index_files() const { return skipped_index_files_; }
  // REQUIRES: load_index() succeeded.
  Index& index() const { return *index_; }
  // The index as the store has it now, apart from the one in use.
  Result<IndexCache::Loaded> read_index(DamagedIndexFiles on_damage) const;

  // The plaintext of a blob, from any copy of it. Errors: not_found (in no index), corrupt (all
  // copies are damaged; the message names the last pack), those of the store.
  Result<Bytes> load_blob(const BlobHandle& handle) const;
  Result<std::vector<Node>> load_tree(const BlobId& id) const;

  // All snapshots; unreadable ones apart, so that who deletes things can stop.
  Result<SnapshotListing> list_snapshots() const;
  // The readable ones, oldest first; a warning for each of the others.
  Result<std::vector<StoredSnapshot>> snapshots() const;
  // "latest" (the newest that is not a companion), a whole id, or the beginning of just one.
  // Errors: not_found, conflict (names the candidates).
  Result<StoredSnapshot> find_snapshot(std::string_view text) const;
  Result<StoredSnapshot> load_snapshot(const SnapshotId& id) const;

  // The commit point: everything that was put before is made durable, then the snapshot. After a
  // Writer use Writer::publish_snapshot, which also looks after a prune that ran meanwhile.
  Result<SnapshotId> publish_snapshot(const Snapshot& snapshot) const;
  Result<void> remove_snapshot(const SnapshotId& id) const;

  // JSON of an index file, a snapshot or a lock. Errors: corrupt when the name is not the hash of
  // the bytes or the seal is broken. A lock file without bytes gives no bytes.
  Result<Bytes> load_unpacked(const SnapshotId& id) const;
  Result<Bytes> load_unpacked(const IndexId& id) const;
  Result<Bytes> load_unpacked(const LockId& id) const;
  // Seals and stores JSON. An index file needs a sync() before it, for the packs it lists.
  Result<IndexId> save_index(ByteView json, store::Durability durability) const;
  Result<LockId> save_lock(ByteView json) const;

  // Asks `may_write` before every index file and snapshot from now on, until the token is dropped:
  // a lease that was lost must not publish what others may have pruned away. Thread-safe.
  using MayWrite = std::function<Result<void>()>;
  std::shared_ptr<const MayWrite> guard_writes(MayWrite may_write) const;

  // Entries of a pack's own header (A6), by reading its tail. Errors: corrupt.
  Result<std::vector<PackedBlob>> load_pack_header(const PackId& id,
                                                   std::uint64_t pack_bytes) const;

 private:
  Repository(Context& context, store::Store& store, OpenedKey key, ConfigFile config,
             OpenOptions options);

  Result<void> check_may_write() const;
  template <class IdType>
  Result<Bytes> load_object(const IdType& id) const;
  template <class IdType>
  Result<IdType> save_object(ByteView json, store::Durability durability) const;

  Context* context_;
  store::Store* store_;
  OpenedKey key_;
  ConfigFile config_;
  OpenOptions options_;
  std::unique_ptr<Index> index_;
  struct WriteGuards {
    Mutex mutex;
    std::vector<std::weak_ptr<const MayWrite>> asked GUARDED_BY(mutex);
  };
  std::unique_ptr<WriteGuards> write_guards_ = std::make_unique<WriteGuards>();
  std::vector<IndexId> skipped_index_files_;
};

}  // namespace holdfast::repo
